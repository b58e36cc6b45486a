/**
 * How long a client is waited for. Pure: told what happened, it says how much time is left.
 *
 * A command must be whole within the idle time: single bytes buy none. Within a message every byte buys time at the
 * rate that is asked for, up to the idle time; so a client that trickles (slow-loris) runs out, and one that
 * pauses within what RFC 5321 section 4.5.3.2.5 allows does not.
 */
export class Patience {
  readonly #idleMs: number;
  readonly #msPerByte: number;
  #left: number;

  /** `bytesPerSecond` 0: any byte of a message buys the whole idle time. */
  constructor(idleMs: number, bytesPerSecond: number) {
    this.#idleMs = idleMs;
    this.#msPerByte = bytesPerSecond === 0 ? idleMs : 1_000 / bytesPerSecond;
    this.#left = idleMs;
  }

  /** Milliseconds until the client is given up. */
  get left(): number {
    return this.#left;
  }

  /** The client was waited for; what we took ourselves does not count. */
  waited(ms: number): void {
    this.#left = Math.max(0, this.#left - ms);
  }

  /** Bytes of a message came. */
  received(bytes: number): void {
    this.#left = Math.min(this.#idleMs, this.#left + bytes * this.#msPerByte);
  }

  /** A command, or a message, is whole. */
  progress(): void {
    this.#left = this.#idleMs;
  }
}
