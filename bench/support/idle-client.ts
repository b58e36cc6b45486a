/** A mail program that is logged in by IMAP, has INBOX open, and waits to be told of new mail. */
import { once } from "node:events";
import { connect, type TLSSocket } from "node:tls";
import type { Summary } from "../../stacks/summary.ts";
import type { Login } from "../../test/support/mail.ts";

export class IdleClient {
  readonly #socket: TLSSocket;
  #text = "";
  #wake = Promise.withResolvers<void>();

  private constructor(socket: TLSSocket) {
    this.#socket = socket;
    socket.on("data", (chunk) => {
      this.#text += chunk.toString("latin1");
      this.#wake.resolve();
    });
    socket.on("error", () => {});
    socket.on("close", () => this.#wake.reject(new Error("the connection was closed")));
    this.#wake.promise.catch(() => {});
  }

  /** Settles once it idles. */
  static async open(summary: Summary, { user, pass }: Login): Promise<IdleClient> {
    const socket = connect({
      ...{ host: summary.bind, port: summary.ports.imaps },
      ...{ ca: summary.ca, servername: summary.hostnames.imap },
    });
    await once(socket, "secureConnect");
    const client = new IdleClient(socket);
    await client.until(/^\* OK .*\r\n/m);
    for (const [tag, command] of [
      ["a", `LOGIN ${user} ${pass}`],
      ["b", "SELECT INBOX"],
    ] as const) {
      socket.write(`${tag} ${command}\r\n`);
      await client.until(new RegExp(`^${tag} OK .*\\r\\n`, "m"));
    }
    socket.write("c IDLE\r\n");
    await client.until(/^\+ .*\r\n/m);
    return client;
  }

  /** Whether the connection still stands. */
  get open(): boolean {
    return !this.#socket.destroyed && this.#socket.readyState === "open";
  }

  /** Until it is told of another message. */
  async told(): Promise<void> {
    await this.until(/^\* \d+ EXISTS\r\n/m);
  }

  close(): void {
    this.#socket.destroy();
  }

  private async until(pattern: RegExp): Promise<void> {
    for (;;) {
      const found = pattern.exec(this.#text);
      if (found) {
        this.#text = this.#text.slice(found.index + found[0].length);
        return;
      }
      if (/^\w+ (NO|BAD) /m.test(this.#text)) throw new Error(`refused: ${this.#text.trim()}`);
      this.#wake = Promise.withResolvers<void>();
      await this.#wake.promise;
    }
  }
}
