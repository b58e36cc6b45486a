/** One IMAP client that says what it is told to, command by command, and shows all that it is answered. */
import { once } from "node:events";
import type { Transform, Writable } from "node:stream";
import { connect, type TLSSocket } from "node:tls";
import { HOST, PASSWORD, type ReadingSite } from "./site.ts";

const PATIENCE_MS = 30_000;

export class Session {
  readonly #socket: TLSSocket;
  #out: Writable;
  #text = "";
  #wake = Promise.withResolvers<void>();
  #tag = 0;
  /** As announced after the login. */
  capabilities: readonly string[] = [];

  constructor(socket: TLSSocket) {
    this.#socket = socket;
    this.#out = socket;
    socket.setTimeout(PATIENCE_MS, () => socket.destroy());
    socket.on("data", this.#hear);
    socket.on("close", () => this.#wake.reject(new Error(`the connection was closed after: ${this.#text}`)));
    this.#wake.promise.catch(() => {});
  }

  /** Lines up to the answer to the command, literals in them; the tag of the answer is left out. */
  async command(text: string): Promise<string[]> {
    this.#tag += 1;
    const tag = `t${this.#tag}`;
    this.say(`${tag} ${text}`);
    const lines = await this.until(new RegExp(`^${tag} `));
    return [...lines.slice(0, -1), (lines.at(-1) ?? "").slice(tag.length + 1)];
  }

  /** The same, when it must be done; the lines before the answer. */
  async ok(text: string): Promise<string[]> {
    const lines = await this.command(text);
    const answer = lines.pop() ?? "";
    if (!answer.startsWith("OK")) throw new Error(`${text}: ${answer}`);
    return lines;
  }

  /** From now on what is said and heard passes through these. */
  through(out: Transform, back: Transform): void {
    this.#socket.off("data", this.#hear);
    out.pipe(this.#socket);
    this.#socket.pipe(back).on("data", this.#hear);
    this.#out = out;
  }

  say(line: string): void {
    this.#out.write(`${line}\r\n`, "latin1");
  }

  /** Lines up to and including the first that matches. */
  async until(pattern: RegExp): Promise<string[]> {
    const lines: string[] = [];
    do lines.push(await this.#line());
    while (!pattern.test(lines.at(-1) ?? ""));
    return lines;
  }

  close(): void {
    this.#socket.destroy();
  }

  readonly #hear = (bytes: Buffer): void => {
    this.#text += bytes.toString("latin1");
    this.#wake.resolve();
  };

  /** A line with the literals in it (RFC 9051 section 4.3). */
  async #line(): Promise<string> {
    for (let at = 0; ; ) {
      const end = this.#text.indexOf("\r\n", at);
      const literal = end < 0 ? null : /\{(\d+)\}$/.exec(this.#text.slice(at, end));
      if (end >= 0 && literal === null) {
        const line = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 2);
        return line;
      }
      const next = literal === null ? at : end + 2 + Number(literal[1]);
      if (literal !== null && this.#text.length >= next) at = next;
      else {
        this.#wake = Promise.withResolvers<void>();
        await this.#wake.promise;
      }
    }
  }
}

/** Logged in as alice through `access`. */
export async function openSession(site: ReadingSite): Promise<Session> {
  const port = await site.access.port("993/tcp");
  const socket = connect({ host: "127.0.0.1", port, ca: site.ca, servername: HOST });
  await once(socket, "secureConnect");
  const session = new Session(socket);
  await session.until(/^\* OK /);
  await session.ok(`LOGIN alice "${PASSWORD}"`);
  const [line = ""] = await session.ok("CAPABILITY");
  session.capabilities = line.split(" ").slice(2);
  return session;
}
