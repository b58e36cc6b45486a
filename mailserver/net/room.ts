/** Memory for the messages that are being received: a limit for all sessions together, and for each client. */

/** How many bytes may be held at once; what does not fit is refused for now, rather than the daemon killed. */
export class Room {
  #free: number;
  readonly #perClient: number;
  readonly #held = new Map<string, number>();

  /** `perClient`: what the sessions of one client may hold, so that none of them takes all the room. */
  constructor(bytes: number, perClient = bytes) {
    this.#free = bytes;
    this.#perClient = perClient;
  }

  /** Takes the bytes, unless there is no room. */
  take(client: string, bytes: number): boolean {
    const held = this.#held.get(client) ?? 0;
    if (bytes > this.#free || held + bytes > this.#perClient) return false;
    this.#free -= bytes;
    this.#held.set(client, held + bytes);
    return true;
  }

  give(client: string, bytes: number): void {
    const held = (this.#held.get(client) ?? 0) - bytes;
    this.#free += bytes;
    if (held > 0) this.#held.set(client, held);
    else this.#held.delete(client);
  }
}

const FIRST_BLOCK = 4_096;
const LARGEST_BLOCK = 65_536;

/**
 * One message while it comes in. A client may send it byte by byte, or as lines of one dot each, and an object for
 * every piece would take fifty times its bytes; so they are copied into large blocks.
 */
export class Gathering {
  readonly #room: Room;
  readonly #client: string;
  #blocks: Buffer[] = [];
  /** Bytes used of the last block. */
  #used = 0;
  #bytes = 0;
  #full = false;

  constructor(room: Room, client: string) {
    this.#room = room;
    this.#client = client;
  }

  /** There was no room for all of it. */
  get full(): boolean {
    return this.#full;
  }

  /** Keeps a copy, unless there is no room; what follows then is not kept either. */
  add(bytes: Uint8Array): void {
    this.#full ||= !this.#room.take(this.#client, bytes.length);
    if (this.#full) return;
    this.#bytes += bytes.length;
    for (let at = 0; at < bytes.length; ) {
      const block = this.#block();
      const part = bytes.subarray(at, at + block.length - this.#used);
      block.set(part, this.#used);
      this.#used += part.length;
      at += part.length;
    }
  }

  /** The message as one buffer, behind `before`; the blocks are let go. Once. */
  take(before: Uint8Array = Buffer.alloc(0)): Buffer {
    const last = this.#blocks.pop()?.subarray(0, this.#used);
    const whole = Buffer.concat([before, ...this.#blocks, ...(last ? [last] : [])]);
    this.#blocks = [];
    return whole;
  }

  /** Gives the room back. */
  release(): void {
    this.#room.give(this.#client, this.#bytes);
    this.#blocks = [];
    this.#bytes = 0;
  }

  /** One with room for at least a byte. */
  #block(): Buffer {
    const last = this.#blocks.at(-1);
    if (last && this.#used < last.length) return last;
    // Twice as much each time, so that many small messages stay small.
    const size = Math.min(Math.max(FIRST_BLOCK, this.#bytes), LARGEST_BLOCK);
    const block = Buffer.allocUnsafeSlow(size);
    this.#blocks.push(block);
    this.#used = 0;
    return block;
  }
}
