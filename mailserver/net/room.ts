/**
 * Memory for the messages that are being received. Whoever sends slowly could hold all of it for an hour, so the room is
 * shared: no client has more than its part of it, a reserve is for small messages, and when it is full the client that
 * holds most gives way. So of n clients none is refused for the others' sake while it holds no more than an nth of the room
 * without the reserve. Messages that have come in whole give way to nobody: they are on their way to a box or the disk.
 */

/** Bytes of a room. */
export interface RoomSizes {
  /** For all messages together. */
  readonly all: number;
  /** For those of one client. */
  readonly client: number;
  /** Of all, for messages of no more than `small`. */
  readonly reserve: number;
  readonly small: number;
}

/** In messages of the greatest size. Two clients together leave what is reserved for small messages of the others. */
const ROOM = { all: 3.25, client: 1.5, reserve: 0.25 };
/** Most messages are smaller. */
const SMALL = 262_144;

export function roomFor(messageBytes: number): RoomSizes {
  const { all, client, reserve } = ROOM;
  return {
    all: all * messageBytes,
    client: client * messageBytes,
    reserve: reserve * messageBytes,
    small: SMALL,
  };
}

/** A message in the room. */
interface Guest {
  readonly client: string;
  readonly bytes: number;
  /** It has come in, and gives way to nobody. */
  readonly whole: boolean;
  /** Leaves the room at once. */
  giveWay(): void;
}

const bytesOf = (guests: readonly Guest[]): number => guests.reduce((sum, { bytes }) => sum + bytes, 0);

/** What one client has in the room. */
interface Share {
  bytes: number;
  readonly guests: Set<Guest>;
}

/** How many bytes may be held at once; what does not fit is refused for now, rather than the daemon killed. */
export class Room {
  readonly sizes: RoomSizes;
  readonly #shares = new Map<string, Share>();
  #held = 0;

  constructor(sizes: RoomSizes) {
    this.sizes = sizes;
  }

  get held(): number {
    return this.#held;
  }

  /** Makes room for so many bytes more of a message; false when others have to come first. */
  take(guest: Guest, bytes: number): boolean {
    const { all, client, reserve, small } = this.sizes;
    const share = this.#shares.get(guest.client) ?? { bytes: 0, guests: new Set() };
    if (share.bytes + bytes > client) return false;
    const end = guest.bytes + bytes > small ? all - reserve : all;
    const leaving = this.#whoLeaves(guest, bytes, end);
    if (leaving === undefined) return false;
    for (const other of leaving) other.giveWay();
    this.#shares.set(guest.client, share);
    share.guests.add(guest);
    share.bytes += bytes;
    this.#held += bytes;
    return true;
  }

  /** All of a message that has left. */
  give(guest: Guest): void {
    const share = this.#shares.get(guest.client);
    if (share?.guests.delete(guest) !== true) return;
    share.bytes -= guest.bytes;
    this.#held -= guest.bytes;
    if (share.guests.size === 0) this.#shares.delete(guest.client);
  }

  /** Those who give way, so that no more than `end` is held; undefined when that would not do: then nobody does. */
  #whoLeaves(guest: Guest, more: number, end: number): ReadonlySet<Guest> | undefined {
    const leaving = new Set<Guest>();
    let held = this.#held + more;
    while (held > end) {
      const other = this.#mostOf(guest, more, leaving);
      if (other === undefined) return undefined;
      leaving.add(other);
      held -= other.bytes;
    }
    // The last one may have been enough without those before.
    for (const one of leaving) {
      if (held + one.bytes > end) continue;
      leaving.delete(one);
      held += one.bytes;
    }
    return leaving;
  }

  /**
   * The largest message that is still coming in, of the client that holds most, when those that leave are gone; undefined
   * when it is the one that wants so much more: nobody gives way to who has as much.
   */
  #mostOf(guest: Guest, more: number, leaving: ReadonlySet<Guest>): Guest | undefined {
    let candidates = this.#left(guest.client, leaving);
    let most = bytesOf(candidates) + more;
    let size = guest.bytes + more;
    for (const client of this.#shares.keys()) {
      const left = this.#left(client, leaving);
      const bytes = bytesOf(left);
      if (client === guest.client || bytes <= most || left.every(({ whole }) => whole)) continue;
      most = bytes;
      candidates = left;
      size = 0;
    }
    let found: Guest | undefined;
    for (const one of candidates) {
      if (one.whole || one.bytes <= size) continue;
      size = one.bytes;
      found = one;
    }
    return found;
  }

  /** What a client has in the room besides those that leave. */
  #left(client: string, leaving: ReadonlySet<Guest>): Guest[] {
    return [...(this.#shares.get(client)?.guests ?? [])].filter((one) => !leaving.has(one));
  }
}

const FIRST_BLOCK = 4_096;
const LARGEST_BLOCK = 65_536;

/**
 * One message while it comes in. A client may send it byte by byte, or as lines of one dot each, and an object for
 * every piece would take fifty times its bytes; so they are copied into large blocks.
 */
export class Gathering {
  readonly client: string;
  readonly #room: Room;
  #blocks: Buffer[] = [];
  /** Bytes used of the last block. */
  #used = 0;
  #bytes = 0;
  #full = false;
  #whole = false;

  constructor(room: Room, client: string) {
    this.#room = room;
    this.client = client;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get whole(): boolean {
    return this.#whole;
  }

  /** There was no room for all of it, or others needed that. */
  get full(): boolean {
    return this.#full;
  }

  /** Keeps a copy, unless there is no room; then neither what came before is kept, nor what follows. */
  add(bytes: Uint8Array): void {
    if (this.#full) return;
    if (this.#room.take(this, bytes.length)) this.#copy(bytes);
    else this.giveWay();
  }

  #copy(bytes: Uint8Array): void {
    this.#bytes += bytes.length;
    for (let at = 0; at < bytes.length; ) {
      const block = this.#block();
      const part = bytes.subarray(at, at + block.length - this.#used);
      block.set(part, this.#used);
      this.#used += part.length;
      at += part.length;
    }
  }

  /** The message as one buffer, behind `before`; the blocks are let go. Once, and unless it is `full`. */
  take(before: Uint8Array = Buffer.alloc(0)): Buffer {
    this.#whole = true;
    const last = this.#blocks.pop()?.subarray(0, this.#used);
    const whole = Buffer.concat([before, ...this.#blocks, ...(last ? [last] : [])]);
    this.#blocks = [];
    return whole;
  }

  /** Nothing of it will be of use: others have the room from now on, not from when its client comes to an end. */
  giveWay(): void {
    this.#full = true;
    this.release();
  }

  /** Gives the room back. */
  release(): void {
    this.#room.give(this);
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
