/** What a server says on one connection, written together at the end of the turn in which it is said. */
import type { Socket } from "node:net";
import type { TurnEnd } from "./turn-end.ts";

/** Some commands of a few bytes have long replies. */
const MAX_CHARACTERS = 16 * 1_024;

export class ReplyWriter {
  readonly #turnEnd: TurnEnd;
  readonly #patienceMs: number;
  #socket: Socket;
  #text = "";
  #due = false;

  /** `patienceMs`: how long a client may read nothing before it is cut off. */
  constructor(socket: Socket, turnEnd: TurnEnd, patienceMs: number) {
    this.#socket = socket;
    this.#turnEnd = turnEnd;
    this.#patienceMs = patienceMs;
  }

  /** What follows goes to this one: the connection is under TLS now. */
  set socket(socket: Socket) {
    this.#socket = socket;
  }

  /** Whether more was said than shall be held back for the end of the turn. */
  get full(): boolean {
    return this.#text.length > MAX_CHARACTERS;
  }

  /** Whether the client has to read before more is said. */
  get waits(): boolean {
    return this.#socket.writableNeedDrain;
  }

  say(text: string): void {
    this.#text += text;
  }

  /** Writes what was said at the end of this turn; calls `full` then if the client has to read first. */
  soon(full: () => void): void {
    if (this.#text === "" || this.#due) return;
    this.#due = true;
    this.#turnEnd.do(() => {
      this.#due = false;
      if (!this.#write()) full();
    });
  }

  /** Writes what was said at once; settles when the client has read enough, or is gone. */
  async flush(): Promise<void> {
    if (!this.#write()) await this.drained();
  }

  /** Settles when the client has read enough for more to be said, or is gone. */
  drained(): Promise<void> {
    const socket = this.#socket;
    if (socket.destroyed || !socket.writableNeedDrain) return Promise.resolve();
    return new Promise<void>((resolve) => {
      const over = (): void => {
        clearTimeout(timer);
        socket.off("drain", over).off("close", over);
        resolve();
      };
      const timer = setTimeout(() => socket.destroy(), this.#patienceMs);
      socket.once("drain", over).once("close", over);
    });
  }

  /** False when the client has to read first. */
  #write(): boolean {
    const text = this.#text;
    this.#text = "";
    const socket = this.#socket;
    return text === "" || socket.destroyed || socket.writableEnded || socket.write(text);
  }
}
