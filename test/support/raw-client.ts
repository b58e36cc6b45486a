/** A client that says exactly what a test wants, over a real socket. */
import { connect as netConnect, type Socket } from "node:net";
import { type ConnectionOptions, type TLSSocket, connect as tlsConnect } from "node:tls";
import { ReplyParser } from "../../mailserver/smtp/reply-format.ts";
import type { Reply } from "../../mailserver/smtp/types.ts";

export class RawClient {
  #socket: Socket;
  #parser = new ReplyParser();
  readonly #replies: Reply[] = [];
  #wake = Promise.withResolvers<void>();
  #closed = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#listen(socket);
  }

  static async open(port: number, implicit?: { readonly ca: string }): Promise<RawClient> {
    const socket = implicit
      ? tlsConnect({ port, host: "127.0.0.1", ca: implicit.ca, checkServerIdentity: () => undefined })
      : netConnect({ port, host: "127.0.0.1" });
    const client = new RawClient(socket);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    socket.once(implicit ? "secureConnect" : "connect", resolve).once("error", reject);
    await promise;
    return client;
  }

  get socket(): Socket {
    return this.#socket;
  }

  #listen(socket: Socket): void {
    socket.on("data", (chunk: Buffer) => {
      this.#replies.push(...this.#parser.push(chunk));
      this.#signal();
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      if (socket !== this.#socket) return;
      this.#closed = true;
      this.#signal();
    });
  }

  #signal(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers<void>();
  }

  /** The next reply as `code enhanced`. */
  async reply(): Promise<string> {
    while (this.#replies.length === 0) {
      if (this.#closed) return "closed";
      await this.#wake.promise;
    }
    const { code, enhanced } = this.#replies.shift() as Reply;
    return enhanced === undefined ? String(code) : `${code} ${enhanced}`;
  }

  /** Says a line and waits for its reply. */
  async say(line: string): Promise<string> {
    this.write(`${line}\r\n`);
    return this.reply();
  }

  write(text: string): void {
    this.#socket.write(text, "latin1");
  }

  /** The hand-shake of STARTTLS, with any server name. */
  async secure(options: ConnectionOptions): Promise<TLSSocket> {
    const raw = this.#socket.removeAllListeners("data");
    const secured = tlsConnect({ socket: raw, checkServerIdentity: () => undefined, ...options });
    this.#socket = secured;
    this.#parser = new ReplyParser();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    secured.once("secureConnect", resolve).once("error", reject);
    await promise;
    this.#listen(secured);
    return secured;
  }

  close(): void {
    this.#socket.destroy();
  }
}
