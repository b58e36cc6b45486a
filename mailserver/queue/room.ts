/**
 * How much may still be taken in. A full disk must stop what is new, never what is left to do with the old: noting that
 * a message was delivered takes room too, and so does moving the log into the database (at most the log's length).
 */
import { statfsSync, statSync } from "node:fs";
import { join } from "node:path";

/** Kept free beside that, but no more than a quarter of a small disk: for the logs of other shards on it. */
const RESERVE_BYTES = 32 * 1024 * 1024;
const RESERVE_SHARE = 1 / 4;

/**
 * There is no room for one message more, though there is for what is done with those that were taken. Or for nothing at all,
 * where the log that a start found needs some (database.ts).
 */
export class NoRoom extends Error {
  override readonly name = "NoRoom";
}

export interface DiskRoomOptions {
  readonly dir: string;
  /** Name of the write-ahead log in `dir`. */
  readonly log: string;
  /** Bytes of the database that it does not use. */
  readonly reusable: () => number;
}

export class DiskRoom {
  readonly #options: DiskRoomOptions;
  /** Bytes that may be added without asking the file system again. */
  #granted = 0;

  constructor(options: DiskRoomOptions) {
    this.#options = options;
  }

  /** Whether the messages of a transaction may be added, which are so many bytes together: asked once, not for each. */
  grant(bytes: number): boolean {
    const roomy = this.has(bytes);
    this.#granted = roomy ? bytes : 0;
    return roomy;
  }

  /** Before one message is added; throws NoRoom when it may not be. */
  take(bytes: number): void {
    if (bytes <= this.#granted) this.#granted -= bytes;
    else if (!this.has(bytes)) throw new NoRoom("the disk is full");
  }

  /** Whether messages of so many bytes may be added. */
  has(bytes: number): boolean {
    const { dir, log: name, reusable } = this.#options;
    const { bavail, blocks, bsize } = statfsSync(dir);
    const log = statSync(join(dir, name), { throwIfNoEntry: false })?.size ?? 0;
    const reserve = Math.min(RESERVE_BYTES, blocks * bsize * RESERVE_SHARE);
    // A message is written twice: into the log, and with the log into the database.
    const growth = Math.max(0, bytes + log - reusable());
    return bavail * bsize >= bytes + growth + reserve;
  }
}
