/** One message from the client's side: MAIL, RCPT (pipelined when the peer can), DATA, and what became of each recipient. */
import { impossible, mailLine, rcptLine, unreachable } from "./client-envelope.ts";
import * as replies from "./replies.ts";
import type { ClientAction, ClientOptions, Envelope, Outcome, Reply } from "./types.ts";

/** A message up to this many octets goes along with its envelope: in vain, should its only recipient be refused. */
const EARLY_OCTETS = 65_536;

/** What a reply means for a recipient. RFC 5321 section 4.2.1: the first digit decides. */
export function outcomeOf(reply: Reply): Outcome {
  if (reply.code >= 200 && reply.code < 300) return { kind: "delivered", reply };
  // RFC 5321 section 4.5.3.1.10: an old server's 552 for too many recipients is temporary.
  const tooMany = reply.code === 552 && reply.enhanced === "5.5.3";
  if (reply.code >= 500 && !tooMany) return { kind: "permanent", reply };
  if (reply.code >= 400) return { kind: "temporary", reply };
  return { kind: "temporary", reply: replies.badPeerReply };
}

/**
 * RFC 5321 section 4.3.2: a command has its own kinds of success. Another one belongs to another command, and so would
 * each that follows. Only 354 lets a message begin: 2xx to DATA is no acceptance of what was never sent.
 */
function mayFollow({ kind }: Expected, { code }: Reply): boolean {
  if (code >= 400) return true;
  return kind === "data" ? code === 354 : code >= 200 && code < 300;
}

/** A command that was sent, or will be. */
type Expected =
  | { readonly kind: "mail" | "data" | "final" | "rset" }
  | { readonly kind: "rcpt" | "lmtp"; readonly index: number };

export class ClientTransaction {
  readonly #envelope: Envelope;
  readonly #protocol: ClientOptions["protocol"];
  readonly #extensions: ReadonlyMap<string, readonly string[]>;
  /** The exact length of a message that may go as it is. */
  readonly #octets: number | undefined;
  readonly #outcomes: (Outcome | undefined)[];
  readonly #accepted: number[] = [];
  /** Commands not yet written. */
  readonly #waiting: { readonly line: string; readonly expected: Expected }[] = [];
  /** Replies that are to come, in their order. */
  #expected: Expected[] = [];
  #actions: ClientAction[] = [];
  #bodyOpen = false;
  #chunked = false;
  #chunkRefused = false;
  #early = false;
  #finished = false;
  #usable = true;

  constructor(options: {
    readonly envelope: Envelope;
    readonly protocol: ClientOptions["protocol"];
    readonly extensions: ReadonlyMap<string, readonly string[]>;
    readonly octets: number | undefined;
  }) {
    const { envelope } = options;
    if (envelope.recipients.length === 0) throw new Error("an envelope without recipients");
    if (envelope.binary === true && options.octets === undefined)
      throw new Error("a binary message in pieces");
    this.#envelope = envelope;
    this.#protocol = options.protocol;
    this.#extensions = options.extensions;
    this.#octets = options.octets;
    this.#outcomes = envelope.recipients.map(() => undefined);
  }

  /** The outcomes have been given out. */
  get finished(): boolean {
    return this.#finished;
  }

  /** The session can carry another message. */
  get usable(): boolean {
    return this.#usable;
  }

  begin(): ClientAction[] {
    const refusal = impossible(this.#envelope, this.#extensions);
    if (refusal) this.#decideRest(outcomeOf(refusal));
    this.#envelope.recipients.forEach((recipient, index) => {
      const reply = unreachable(recipient, this.#extensions);
      if (reply) this.#outcomes[index] ??= outcomeOf(reply);
    });
    if (!this.#outcomes.includes(undefined)) {
      this.#finish();
      return this.#take();
    }
    this.#waiting.push({ line: mailLine(this.#envelope, this.#extensions), expected: { kind: "mail" } });
    this.#envelope.recipients.forEach((_, index) => {
      if (this.#outcomes[index]) return;
      const line = rcptLine(this.#envelope, index, this.#extensions);
      this.#waiting.push({ line, expected: { kind: "rcpt", index } });
    });
    this.#write();
    this.#early = this.#goesEarly();
    if (this.#early) this.#chunk(this.#octets ?? 0);
    return this.#take();
  }

  reply(reply: Reply): ClientAction[] {
    const expected = this.#expected.shift();
    if (reply.code === 421) {
      // RFC 5321 section 3.8: the peer closes; who has no answer yet is tried again.
      if (expected?.kind === "lmtp" || expected?.kind === "rcpt")
        this.#outcomes[expected.index] ??= outcomeOf(reply);
      return this.lost(reply);
    }
    // An answer in the middle of the body, or to nothing: the dialogue is out of step.
    if (!expected) return this.lost(this.#bodyOpen && reply.code >= 400 ? reply : replies.badPeerReply);
    if (!mayFollow(expected, reply)) return this.lost(replies.badPeerReply);
    this.#step(expected, reply);
    return this.#take();
  }

  bodySent(): ClientAction[] {
    if (this.#finished) return [];
    this.#bodyOpen = false;
    if (this.#early) {
      // One reply, for the one recipient. Who was refused by then stays so, whatever is said of the message.
      this.#expected.push({ kind: "final" });
      return this.#take();
    }
    // RFC 2033 section 4.2: one reply for each accepted recipient.
    this.#expected =
      this.#protocol === "lmtp"
        ? this.#accepted.map((index) => ({ kind: "lmtp", index }))
        : [{ kind: "final" }];
    return this.#take();
  }

  /** The connection is lost: recipients without an answer get this one. */
  lost(reply: Reply): ClientAction[] {
    if (this.#finished) return [];
    this.#decideRest(outcomeOf(reply));
    this.#usable = false;
    this.#finish();
    return this.#take();
  }

  #step(expected: Expected, reply: Reply) {
    switch (expected.kind) {
      case "mail":
        if (reply.code >= 300 || reply.code < 200) this.#decideRest(outcomeOf(reply));
        break;
      case "rcpt":
        this.#recipient(expected.index, reply);
        break;
      case "data":
        return this.#data(reply);
      case "lmtp":
        this.#outcomes[expected.index] ??= outcomeOf(reply);
        this.#chunkRefused ||= this.#chunked && reply.code >= 300;
        return this.#expected.length === 0 ? this.#end() : undefined;
      case "final":
        this.#decideRest(outcomeOf(reply));
        this.#chunkRefused = this.#chunked && reply.code >= 300;
        return this.#end();
      case "rset":
        // RFC 5321 section 4.1.1.5: it succeeds always. Who refuses it may still have this sender and these recipients,
        // and the next message would be refused as nested, or go to them.
        if (reply.code >= 300) this.#usable = false;
        return this.#finish();
    }
    this.#next();
  }

  #recipient(index: number, reply: Reply): void {
    if (this.#outcomes[index]) return;
    if (reply.code >= 200 && reply.code < 300) this.#accepted.push(index);
    else this.#outcomes[index] = outcomeOf(reply);
  }

  /** After MAIL and after each RCPT. */
  #next() {
    const undecided = this.#outcomes.some((outcome) => outcome === undefined);
    // MAIL was refused, or the last RCPT: what was not written need not be.
    if (!undecided) this.#waiting.length = 0;
    if (this.#expected.length > 0 || this.#early) return;
    if (this.#waiting.length > 0) return this.#write();
    // The message is never pipelined behind RCPT: with all recipients refused there must be no body.
    if (this.#accepted.length === 0) this.#send("RSET", { kind: "rset" });
    else if (this.#octets !== undefined && this.#extensions.has("CHUNKING")) this.#chunk(this.#octets);
    else this.#send("DATA", { kind: "data" });
  }

  /**
   * RFC 3030 section 4.2: BDAT may follow RCPT at once, which saves a box a round trip. Only where one recipient alone
   * decides, and one reply follows the message whatever was said to RCPT.
   */
  #goesEarly(): boolean {
    return (
      this.#protocol === "lmtp" &&
      this.#envelope.recipients.length === 1 &&
      this.#octets !== undefined &&
      this.#octets <= EARLY_OCTETS &&
      this.#extensions.has("PIPELINING") &&
      this.#extensions.has("CHUNKING")
    );
  }

  /** RFC 3030 section 2: after a refused chunk only RSET brings back a known state. */
  #end(): void {
    if (this.#chunkRefused) this.#send("RSET", { kind: "rset" });
    else this.#finish();
  }

  /** RFC 3030 section 2: the whole message as one chunk, without waiting for a 354. */
  #chunk(octets: number): void {
    this.#chunked = true;
    this.#actions.push({ kind: "write", bytes: Buffer.from(`BDAT ${octets} LAST\r\n`) });
    this.#openBody("octets");
  }

  #openBody(framing: "stuffed" | "octets"): void {
    this.#bodyOpen = true;
    this.#actions.push({ kind: "body", framing });
  }

  #data(reply: Reply): void {
    if (reply.code === 354) {
      this.#openBody("stuffed");
      return;
    }
    this.#decideRest(outcomeOf(reply));
    this.#send("RSET", { kind: "rset" });
  }

  #write(): void {
    const portion = this.#extensions.has("PIPELINING") ? this.#waiting.length : 1;
    for (const { line, expected } of this.#waiting.splice(0, portion)) this.#send(line, expected);
  }

  #send(line: string, expected: Expected): void {
    this.#expected.push(expected);
    this.#actions.push({ kind: "write", bytes: Buffer.from(`${line}\r\n`, "utf8") });
  }

  #decideRest(outcome: Outcome): void {
    // Never "delivered" for someone whose RCPT was not accepted.
    this.#envelope.recipients.forEach((_, index) => {
      this.#outcomes[index] ??= outcome;
    });
  }

  #finish(): void {
    this.#finished = true;
    const dsn = this.#extensions.has("DSN");
    const outcomes = this.#outcomes.map(
      (outcome = outcomeOf(replies.connectionLost)): Outcome =>
        dsn && outcome.kind === "delivered" ? { ...outcome, dsn } : outcome,
    );
    this.#actions.push({ kind: "outcomes", outcomes });
  }

  #take(): ClientAction[] {
    return this.#actions.splice(0);
  }
}
