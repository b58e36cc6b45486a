/**
 * The client side of SMTP (RFC 5321) and LMTP (RFC 2033) without I/O: the peer's bytes in, actions out. Greeting,
 * EHLO, STARTTLS and AUTH here; one message at a time in `client-transaction.ts`.
 */
import { ClientTransaction } from "./client-transaction.ts";
import * as replies from "./replies.ts";
import { BadReply, ReplyParser } from "./reply-format.ts";
import type { ClientAction, ClientOptions, ClientStage, Envelope, Reply } from "./types.ts";

type Step =
  | "greeting"
  | "ehlo"
  | "helo"
  | "starttls"
  | "handshake"
  | "auth"
  | "ready"
  | "transaction"
  | "quit"
  | "over";

const STAGES: Readonly<Record<Step, ClientStage>> = {
  greeting: "greeting",
  ehlo: "helo",
  helo: "helo",
  starttls: "tls",
  handshake: "tls",
  auth: "auth",
  ready: "transaction",
  transaction: "transaction",
  quit: "transaction",
  over: "transaction",
};

const isPositive = (reply: Reply): boolean => reply.code >= 200 && reply.code < 300;

/** RFC 5321 section 4.1.1.1: the first word is the peer's name. */
const nameOf = ({ lines: [first = ""] }: Reply): string => first.split(" ", 1)[0]?.toLowerCase() ?? "";

/** RFC 5321 section 4.1.1.1: keyword in upper case → its parameters. */
function readExtensions(reply: Reply): ReadonlyMap<string, readonly string[]> {
  return new Map(
    reply.lines.slice(1).map((line) => {
      // "AUTH=PLAIN" is an old way of "AUTH PLAIN".
      const [keyword = "", ...parameters] = line.trim().split(/[ =]+/);
      return [keyword.toUpperCase(), parameters.map((parameter) => parameter.toUpperCase())];
    }),
  );
}

export class ClientSession {
  readonly #options: ClientOptions;
  readonly #actions: ClientAction[] = [];
  #parser = new ReplyParser();
  #step: Step = "greeting";
  #extensions: ReadonlyMap<string, readonly string[]> = new Map();
  #secure: boolean;
  #transaction: ClientTransaction | undefined;
  #heard = 0;

  /** `secure`: the connection is under TLS from its first byte. */
  constructor(options: ClientOptions, secure = false) {
    this.#options = options;
    this.#secure = secure;
  }

  /** Where it stands; `ready` true means that `begin` may be called. */
  get state(): { readonly stage: ClientStage; readonly ready: boolean; readonly over: boolean } {
    const step = this.#step;
    return { stage: STAGES[step], ready: step === "ready", over: step === "over" };
  }

  /** How many whole replies the peer has given. */
  get heard(): number {
    return this.#heard;
  }

  /** What the peer offers. */
  get extensions(): ReadonlyMap<string, readonly string[]> {
    return this.#extensions;
  }

  /** Takes bytes of the peer. */
  receive(bytes: Uint8Array): ClientAction[] {
    return this.#act(() => {
      // RFC 3207 section 5: what was sent ahead of the hand-shake is not under TLS and must not be believed.
      const deaf = (): boolean => this.#step === "over" || this.#step === "handshake";
      if (deaf()) return;
      try {
        // One by one: a good reply counts although nonsense follows it in the same packet.
        for (const reply of this.#parser.read(bytes)) {
          this.#heard += 1;
          this.#reply(reply);
          if (deaf()) return;
        }
      } catch (error) {
        if (!(error instanceof BadReply)) throw error;
        this.#fail(replies.badPeerReply);
      }
    });
  }

  /** The hand-shake succeeded: everything the peer said before is forgotten. */
  secured(): ClientAction[] {
    return this.#act(() => {
      this.#secure = true;
      this.#parser = new ReplyParser();
      this.#extensions = new Map();
      this.#hello();
    });
  }

  /**
   * Sends the next message. Only when ready. `octets`: the exact length of a message that is at hand as a whole and
   * needs no change on its way (all line ends are CRLF, or it is binary), so that it may go by BDAT.
   */
  begin(envelope: Envelope, octets?: number): ClientAction[] {
    return this.#act(() => {
      if (this.#step !== "ready") throw new Error("the session is not ready for a message");
      const transaction = new ClientTransaction({
        envelope,
        protocol: this.#options.protocol,
        extensions: this.#extensions,
        octets,
      });
      this.#transaction = transaction;
      this.#step = "transaction";
      this.#carry(transaction.begin());
    });
  }

  /** The body and its final dot are written. */
  bodySent(): ClientAction[] {
    return this.#act(() => this.#carry(this.#transaction?.bodySent() ?? []));
  }

  /** QUIT. */
  quit(): ClientAction[] {
    return this.#act(() => {
      if (this.#step !== "ready") return this.#close();
      this.#command("QUIT");
      this.#step = "quit";
    });
  }

  /** The connection is gone or useless: `reply` says why, in our words. */
  failed(reply: Reply): ClientAction[] {
    return this.#act(() => this.#fail(reply));
  }

  #act(work: () => void): ClientAction[] {
    work();
    return this.#actions.splice(0);
  }

  #reply(reply: Reply) {
    if (this.#step === "transaction") return this.#carry(this.#transaction?.reply(reply) ?? []);
    // RFC 5321 section 3.8: 421 may answer anything, or come unasked.
    if (reply.code === 421) return this.#fail(reply);
    this.#steps[this.#step](reply);
  }

  readonly #steps: Readonly<Record<Step, (reply: Reply) => void>> = {
    greeting: (reply) => (isPositive(reply) ? this.#hello() : this.#fail(reply)),
    ehlo: (reply) => {
      if (isPositive(reply)) {
        const { peerName = nameOf(reply) } = this.#options;
        if (nameOf(reply) !== peerName) return this.#fail(replies.wrongPeer);
        this.#extensions = readExtensions(reply);
        this.#afterHello();
      } else if (reply.code >= 500 && this.#options.protocol === "smtp") {
        // RFC 5321 section 3.2: a server without EHLO.
        this.#command(`HELO ${this.#options.hostname}`);
        this.#step = "helo";
      } else this.#fail(reply);
    },
    helo: (reply) => (isPositive(reply) ? this.#afterHello() : this.#fail(reply)),
    starttls: (reply) => {
      if (reply.code === 220) {
        this.#step = "handshake";
        this.#actions.push({ kind: "startTls" });
      } else if (this.#options.tls === "required") this.#fail(replies.tlsNotOffered);
      else this.#login();
    },
    auth: (reply) => (isPositive(reply) ? this.#ready() : this.#fail(reply)),
    quit: () => this.#close(),
    ready: () => this.#fail(replies.badPeerReply),
    handshake: () => {},
    transaction: () => {},
    over: () => {},
  };

  #hello(): void {
    this.#command(`${this.#options.protocol === "lmtp" ? "LHLO" : "EHLO"} ${this.#options.hostname}`);
    this.#step = "ehlo";
  }

  #afterHello() {
    if (this.#secure || this.#options.tls === "never") return this.#login();
    if (this.#extensions.has("STARTTLS")) {
      this.#command("STARTTLS");
      this.#step = "starttls";
    } else if (this.#options.tls === "required") this.#fail(replies.tlsNotOffered);
    else this.#login();
  }

  #login() {
    const { auth } = this.#options;
    if (!auth) return this.#ready();
    if (!this.#extensions.get("AUTH")?.includes("PLAIN")) return this.#fail(replies.authNotOffered, "auth");
    const response = Buffer.from(`\0${auth.user}\0${auth.password}`, "utf8").toString("base64");
    this.#command(`AUTH PLAIN ${response}`);
    this.#step = "auth";
  }

  #ready(): void {
    this.#step = "ready";
    this.#actions.push({ kind: "ready" });
  }

  /** Passes on what the transaction wants, and sees its end. */
  #carry(actions: readonly ClientAction[]): void {
    this.#actions.push(...actions);
    const transaction = this.#transaction;
    if (!transaction?.finished) return;
    this.#transaction = undefined;
    if (transaction.usable) this.#ready();
    else this.#close();
  }

  #fail(reply: Reply, stage = STAGES[this.#step]) {
    const transaction = this.#transaction;
    if (this.#step === "over") return;
    if (transaction) return this.#carry(transaction.lost(reply));
    if (this.#step !== "quit" && this.#step !== "ready")
      this.#actions.push({ kind: "unusable", stage, reply });
    this.#close();
  }

  #close(): void {
    if (this.#step !== "over") this.#actions.push({ kind: "close" });
    this.#step = "over";
  }

  #command(line: string): void {
    this.#actions.push({ kind: "write", bytes: Buffer.from(`${line}\r\n`, "utf8") });
  }
}
