/**
 * Dialogues as data. In `test/dialogues/*.txt` every `=== name` begins one; its first line may be `with: …`
 * (words of `PROFILES` and limits such as `messageBytes=100`). Then, line by line:
 *
 *   C: text      the client sends text and CRLF; escapes \r \n \t \0 \\ \xHH and {text*N} for repetition
 *   C~ text      the same without CRLF
 *   S: 250 2.1.0 the server says a line that begins so;  `S: 250-...` a whole reply of several lines
 *   M: <from> -> <to>,<to> "text"   a message reaches the policy
 *   D:           a transaction is dropped
 *   TLS          the hand-shake of STARTTLS takes place
 *   STOP         the server is told to shut down
 *   GONE         the client has gone
 *   CLOSE        the server closes
 *
 * After a message's text stands what DSN said of it, e.g. `ret=HDRS envid=x notify=<a@b.example>:NEVER`.
 */
import * as replies from "../../../mailserver/smtp/replies.ts";
import { formatReply } from "../../../mailserver/smtp/reply-format.ts";
import { ServerSession } from "../../../mailserver/smtp/server-session.ts";
import type {
  Address,
  Credentials,
  Decision,
  Question,
  Recipient,
  Reply,
  ServerAction,
  ServerOptions,
  Transaction,
} from "../../../mailserver/smtp/types.ts";

export interface Dialogue {
  readonly name: string;
  readonly options: ServerOptions;
  readonly implicitTls: boolean;
  /** What stood after `with:`. */
  readonly words: readonly string[];
  readonly steps: readonly Step[];
}

type Step =
  | { readonly kind: "client"; readonly bytes: Buffer }
  | { readonly kind: "mark"; readonly mark: Mark }
  | { readonly kind: "expect"; readonly event: string };

/** What happens apart from bytes. */
export type Mark = "TLS" | "STOP" | "GONE";

const LIMITS = { messageBytes: 1000, recipients: 3, errors: 20 };
const BASE: ServerOptions = {
  protocol: "smtp",
  hostname: "mx.semail.test",
  startTls: true,
  auth: "never",
  authRequired: false,
  dsn: true,
  limits: LIMITS,
};
const PROFILES: Readonly<Record<string, Partial<ServerOptions>>> = {
  mx: {},
  submission: { auth: "tls", authRequired: true },
  relay: { auth: "always", authRequired: true, startTls: false },
  lmtp: { protocol: "lmtp", startTls: false },
  plain: { startTls: false },
  nodsn: { dsn: false },
  noutf8: { smtpUtf8: false },
  binary: { binaryMime: true },
};

const ESCAPES: Readonly<Record<string, string>> = { r: "\r", n: "\n", t: "\t", 0: "\0", "\\": "\\" };

/** Text with escapes → bytes. */
function unescaped(text: string): Buffer {
  const repeated = text.replace(/\{(.+?)\*([0-9]+)\}/g, (_, what: string, count: string) =>
    what.repeat(Number(count)),
  );
  const parts = repeated.split(/(\\x[0-9a-f]{2}|\\.)/i);
  return Buffer.concat(
    parts.map((part) => {
      const hex = /^\\x([0-9a-f]{2})$/i.exec(part);
      if (hex) return Buffer.from(hex[1] ?? "", "hex");
      return Buffer.from(/^\\.$/.test(part) ? (ESCAPES[part.slice(1)] ?? part) : part, "utf8");
    }),
  );
}

function readStep(line: string): Step {
  if (line.startsWith("C: ") || line === "C:") {
    return { kind: "client", bytes: Buffer.concat([unescaped(line.slice(3)), Buffer.from("\r\n")]) };
  }
  if (line.startsWith("C~ ")) return { kind: "client", bytes: unescaped(line.slice(3)) };
  if (line === "TLS" || line === "STOP" || line === "GONE") return { kind: "mark", mark: line };
  if (/^(S: |M: |D:$|CLOSE$)/.test(line)) return { kind: "expect", event: line };
  throw new Error(`not a dialogue line: ${line}`);
}

/** The options that words choose. */
export function readOptions(words: readonly string[]): ServerOptions {
  let options = BASE;
  for (const word of words) {
    const [key = "", value] = word.split("=");
    if (value !== undefined) options = { ...options, limits: { ...options.limits, [key]: Number(value) } };
    else options = { ...options, ...PROFILES[key] };
  }
  return options;
}

/** Reads a file of dialogues. */
export function readDialogues(text: string): Dialogue[] {
  return text
    .split(/^=== /m)
    .slice(1)
    .map((section) => {
      const [name = "", ...rest] = section.split("\n");
      const lines = rest.filter((line) => line.trim() !== "" && !line.startsWith("#"));
      const words = lines[0]?.startsWith("with: ") ? (lines.shift() ?? "").slice(6).split(" ") : [];
      return {
        name: name.trim(),
        options: readOptions(words),
        implicitTls: words.includes("implicit"),
        words,
        steps: lines.map(readStep),
      };
    });
}

const refuse = (reply: Reply): Decision => ({ kind: "refuse", reply });

function decideRecipient({ local, domain }: Address): Decision {
  if (local === "absent") return refuse(replies.noSuchRecipient);
  if (local === "unavailable") return refuse(replies.directoryUnavailable);
  return domain === "foreign.example" ? refuse(replies.relayDenied) : { kind: "accept" };
}

function decideLogin({ user, password }: Credentials): Decision {
  if (user === "down") return refuse(replies.authUnavailable);
  if (user === "alice" && password === "secret") return { kind: "authenticated", user };
  return refuse(replies.authFailed);
}

function decideMessage({ recipients }: Transaction, text: string): Decision {
  if (text.includes("LOOP")) return refuse(replies.mailLoop);
  if (text.includes("DISKFULL")) return refuse(replies.reply(452, "4.3.1", "No room"));
  if (!text.includes("EACH")) return { kind: "accept" };
  const each = ({ address }: Recipient): Reply =>
    address.local === "full" ? replies.reply(452, "4.2.2", "Mailbox full") : replies.accepted;
  return { kind: "perRecipient", replies: recipients.map(each) };
}

function decideData(sender: string | undefined): Decision {
  if (sender === "nodata") return refuse(replies.reply(451, "4.7.1", "Not now"));
  if (sender === "nodatabye") return refuse(replies.shuttingDown);
  return { kind: "accept" };
}

/** The policy of the dialogues: the local part says what happens. */
function decide(question: Question, text: string): Decision {
  switch (question.kind) {
    case "rcpt":
      return decideRecipient(question.recipient.address);
    case "mail":
      if (question.transaction.from?.local !== "spammer") return { kind: "accept" };
      return refuse(replies.reply(550, "5.7.1", "No"));
    case "data":
      return decideData(question.transaction.from?.local);
    case "helo":
      return question.name === "evil.example"
        ? refuse(replies.reply(550, "5.7.1", "No"))
        : { kind: "accept" };
    case "auth":
      return decideLogin(question);
    case "message":
      return decideMessage(question.transaction, text);
    default:
      return { kind: "accept" };
  }
}

/** Runs a session as `net` does and keeps what happens as lines of the dialogue language. */
export class Stage {
  readonly events: string[] = [];
  /** All replies as they stand on the wire. */
  written = "";
  #session: ServerSession;
  #text = "";
  #held: Question | undefined;
  readonly #eager: boolean;

  /** `eager` answers questions at once; otherwise `release()` answers them after all bytes have arrived. */
  constructor(dialogue: Dialogue, eager: boolean) {
    const tls = dialogue.implicitTls ? { tls: { version: "TLSv1.3", cipher: "X" } } : {};
    this.#session = new ServerSession(dialogue.options, { id: "s", clientAddress: "192.0.2.1", ...tls });
    this.#eager = eager;
    this.#perform(this.#session.start());
  }

  send(bytes: Uint8Array): void {
    this.#perform(this.#session.receive(bytes));
  }

  release(): void {
    while (this.#held) {
      const question = this.#held;
      this.#held = undefined;
      this.#perform(this.#session.answer(decide(question, this.#text)));
    }
  }

  /** Bytes that the session keeps. */
  get buffered(): number {
    return this.#session.buffered;
  }

  mark(mark: Mark) {
    if (mark === "STOP") return this.#perform(this.#session.shutdown());
    if (mark === "GONE") return this.#perform(this.#session.disconnected());
    if (this.events.at(-1) !== "(starttls)") throw new Error("no STARTTLS took place");
    this.#session = this.#session.secured({ version: "TLSv1.3", cipher: "X" });
  }

  #perform(actions: readonly ServerAction[]): void {
    for (const action of actions) this.#act(action);
    if (this.#eager) this.release();
  }

  #act(action: ServerAction): void {
    switch (action.kind) {
      case "reply":
        this.written += formatReply(action.reply);
        this.events.push(
          ...formatReply(action.reply)
            .trimEnd()
            .split("\r\n")
            .map((line) => `S: ${line}`),
        );
        break;
      case "ask":
        this.#held = action.question;
        if (action.question.kind === "data") this.#text = "";
        if (action.question.kind === "message") this.#message(action.question);
        break;
      case "chunk":
        this.#text += Buffer.from(action.bytes).toString("latin1");
        break;
      case "dropped":
        this.#text = "";
        this.events.push("D:");
        break;
      case "startTls":
        this.events.push("(starttls)");
        break;
      case "close":
        this.events.push("CLOSE");
        break;
    }
  }

  #message({ transaction, size }: Question & { kind: "message" }): void {
    const to = transaction.recipients.map(({ address }) => `<${address.text}>`).join(",");
    if (size !== this.#text.length) throw new Error(`size ${size}, got ${this.#text.length}`);
    const text = JSON.stringify(this.#text);
    this.events.push(`M: <${transaction.from?.text ?? ""}> -> ${to} ${text}${describeDsn(transaction)}`);
  }
}

/** What DSN said of a message, each word with a space before it. */
function describeDsn({ parameters: { ret, envid }, recipients }: Transaction): string {
  const words = [ret && `ret=${ret}`, envid && `envid=${envid}`];
  for (const { address, parameters } of recipients) {
    const { notify, orcpt } = parameters;
    if (notify) words.push(`notify=<${address.text}>:${notify.join(",") || "NEVER"}`);
    if (orcpt) words.push(`orcpt=<${address.text}>:${orcpt.type};${orcpt.address}`);
  }
  return words.map((word) => (word === undefined ? "" : ` ${word}`)).join("");
}

/** Why the events differ from what is expected; undefined when they match. */
export function mismatch(expected: readonly string[], events: readonly string[]): string | undefined {
  let at = 0;
  for (const line of expected) {
    const whole = /^S: ([0-9]{3})-\.\.\.$/.exec(line);
    if (whole) {
      while (events[at]?.startsWith(`S: ${whole[1]}-`)) at += 1;
      if (!events[at]?.startsWith(`S: ${whole[1]} `)) return `wanted ${line}, got ${events[at]}`;
    } else if (!events[at]?.startsWith(line)) return `wanted ${line}, got ${events[at]}`;
    at += 1;
  }
  return events.length > at ? `not expected: ${events[at]}` : undefined;
}
