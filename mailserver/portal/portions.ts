/** A connection whose bytes are read a few at a time, and not before those are dealt with. */
import type { Socket } from "node:net";
import { Duplex } from "node:stream";

/** Bytes: twenty of the shortest requests. */
export const PORTION = 512;

export class Portions extends Duplex {
  /** What is asked of a socket of TLS besides. */
  readonly encrypted = true;
  readonly remoteAddress: string | undefined;
  readonly #socket: Socket;
  #wanted = false;

  constructor(socket: Socket) {
    super({ readableHighWaterMark: PORTION });
    this.#socket = socket;
    this.remoteAddress = socket.remoteAddress;
    socket
      .on("readable", () => this.#next())
      .on("timeout", () => this.emit("timeout"))
      .once("end", () => this.push(null))
      .once("close", () => this.destroy())
      .once("error", (error) => this.destroy(error));
  }

  setTimeout(ms: number): this {
    this.#socket.setTimeout(ms);
    return this;
  }

  /** When all is written, whether the other side ends as well or not. */
  destroySoon(): void {
    this.end(() => this.destroy());
  }

  override _read(): void {
    this.#wanted = true;
    this.#next();
  }

  #next(): void {
    if (!this.#wanted) return;
    const portion: Buffer | null = this.#socket.read(Math.min(PORTION, this.#socket.readableLength));
    if (portion === null) return;
    this.#wanted = false;
    this.push(portion);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#socket.write(chunk, done);
  }

  override _final(done: () => void): void {
    this.#socket.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }
}
