/** Memory for the messages that are being received: a limit for all sessions together. */

/** How many bytes may be held at once; what does not fit is refused for now, rather than the daemon killed. */
export class Room {
  #free: number;

  constructor(bytes: number) {
    this.#free = bytes;
  }

  /** Takes the bytes, unless there is no room. */
  take(bytes: number): boolean {
    if (bytes > this.#free) return false;
    this.#free -= bytes;
    return true;
  }

  give(bytes: number): void {
    this.#free += bytes;
  }
}
