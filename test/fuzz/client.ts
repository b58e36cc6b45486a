/** Plays a peer's bytes against a client session, cut in several ways, and looks for what must never happen. */
import { makeAddress } from "../../mailserver/smtp/address.ts";
import { ClientSession } from "../../mailserver/smtp/client-session.ts";
import { connectionLost } from "../../mailserver/smtp/replies.ts";
import type { ClientAction, ClientOptions, Envelope } from "../../mailserver/smtp/types.ts";
import type { Random } from "./random.ts";
import { byteByByte, type Case, type Cut, type Verdict, whole } from "./types.ts";

export const CLIENT_PROFILES: readonly [string[], ...string[][]] = [
  [],
  ["chunks"],
  ["lmtp"],
  ["lmtp", "chunks"],
  ["opportunistic"],
  ["opportunistic", "chunks", "auth"],
  ["required"],
  ["auth", "wide"],
  ["binary", "chunks"],
];

const RECIPIENTS = ["a", "b", "c"].map((local) => makeAddress(local, "b.example"));
const MESSAGES = 3;
/** Longer plays are not cut into single bytes. */
const BYTE_BY_BYTE_MAX = 3_000;

function clientOptions(profile: readonly string[]): ClientOptions {
  return {
    protocol: profile.includes("lmtp") ? "lmtp" : "smtp",
    hostname: "c.example",
    tls: profile.includes("required")
      ? "required"
      : profile.includes("opportunistic")
        ? "opportunistic"
        : "never",
    ...(profile.includes("auth") ? { auth: { user: "u", password: "p" } } : {}),
  };
}

function envelopeOf(profile: readonly string[]): Envelope {
  return {
    from: null,
    recipients: RECIPIENTS,
    dsn: { ret: "FULL", envid: "e=1" },
    recipientDsn: [{ notify: [] }, undefined, { orcpt: { type: "utf-8", address: "ü@x.example" } }],
    size: 100,
    eightBit: profile.includes("wide"),
    smtputf8: false,
    binary: profile.includes("binary"),
  };
}

/** Does what `net` does, at fixed places, so that cuts can't matter. */
class Driver {
  readonly events: string[] = [];
  readonly #session: ClientSession;
  readonly #profile: readonly string[];
  #wants = { tls: false, body: false };
  #hadBody = false;
  #open = 0;
  #begun = 0;
  #closed = false;

  constructor(profile: readonly string[]) {
    this.#profile = profile;
    this.#session = new ClientSession(clientOptions(profile));
  }

  receive(bytes: Uint8Array): void {
    this.#perform(this.#session.receive(bytes));
  }

  /** What was asked for happens now. */
  settle(): void {
    const { tls, body } = this.#wants;
    this.#wants = { tls: false, body: false };
    if (this.#closed) return;
    if (tls) this.#perform(this.#session.secured());
    if (body) this.#perform(this.#session.bodySent());
    if (!this.#session.state.ready || this.#begun === MESSAGES) return;
    this.#begun += 1;
    this.#open += 1;
    this.#hadBody = false;
    const chunks = this.#profile.includes("chunks") || this.#profile.includes("binary");
    this.#perform(this.#session.begin(envelopeOf(this.#profile), chunks ? 100 : undefined));
  }

  end(): void {
    this.#perform(this.#session.failed(connectionLost));
    if (this.#open !== 0) throw new Error("a message without outcomes");
    if (!this.#session.state.over) throw new Error("not over when the connection is");
  }

  #perform(actions: readonly ClientAction[]): void {
    for (const action of actions) this.#act(action);
  }

  #act(action: ClientAction): void {
    if (this.#closed) throw new Error(`after the end: ${action.kind}`);
    this.events.push(action.kind);
    if (action.kind === "write") {
      const line = Buffer.from(action.bytes).toString("latin1");
      if (!/^[ -~]{1,1100}\r\n$/.test(line)) throw new Error(`not a command: ${JSON.stringify(line)}`);
      this.events.push(line);
    }
    if (action.kind === "startTls") this.#wants.tls = true;
    if (action.kind === "body") this.#wants.body = this.#hadBody = true;
    if (action.kind === "close") this.#closed = true;
    if (action.kind === "outcomes") this.#outcomes(action);
  }

  #outcomes({ outcomes }: ClientAction & { kind: "outcomes" }): void {
    this.#open -= 1;
    if (outcomes.length !== RECIPIENTS.length) throw new Error(`${outcomes.length} outcomes`);
    for (const { kind, reply } of outcomes) {
      if (kind === "delivered" && (!this.#hadBody || this.#wants.body))
        throw new Error("delivered what was not sent");
      if (kind === "delivered" && (reply.code < 200 || reply.code > 299))
        throw new Error("delivered though refused");
      this.events.push(`${kind} ${reply.code}`);
    }
  }
}

function play({ profile, segments }: Case, cut: Cut): Driver {
  const driver = new Driver(profile);
  for (const { text } of segments) {
    for (const piece of cut(Buffer.from(text, "latin1"))) driver.receive(piece);
    driver.settle();
  }
  driver.end();
  return driver;
}

/** Splits must make no difference, and nothing that is always wrong may happen. */
export function checkClient(given: Case, random: Random): Verdict {
  let trace: readonly string[] = [];
  try {
    const usual = play(given, whole).events;
    trace = usual.map((event) => event.slice(0, 12));
    const size = given.segments.reduce((sum, { text }) => sum + text.length, 0);
    const ways: [string, Cut][] = [["cut at random", (bytes) => random.cut(bytes)]];
    if (size < BYTE_BY_BYTE_MAX) ways.push(["byte by byte", byteByByte]);
    for (const [name, cut] of ways) {
      const other = play(given, cut).events;
      const at = usual.findIndex((event, index) => event !== other[index]);
      if (at >= 0 || usual.length !== other.length) {
        const place = at < 0 ? usual.length : at;
        return { fault: `${name}: ${other[place]} instead of ${usual[place]}`, trace };
      }
    }
    return { fault: undefined, trace };
  } catch (error) {
    return { fault: `thrown: ${(error as Error).stack}`, trace };
  }
}
