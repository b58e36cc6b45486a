/**
 * How much may still be taken in. A full disk must stop what is new, never what is left to do with the old: noting that
 * a message was delivered takes room too, and so does moving the log into the database (at most the log's length).
 */
import { statfsSync, statSync } from "node:fs";
import { join } from "node:path";

/** Kept free beside that, but no more than a quarter of a small disk: for the logs of other shards on it. */
const RESERVE_BYTES = 32 * 1024 * 1024;
const RESERVE_SHARE = 1 / 4;

/** There is no room for one message more, though there is for what is done with those that were taken. */
export class NoRoom extends Error {
  override readonly name = "NoRoom";
}

export class DiskRoom {
  readonly #dir: string;
  readonly #log: string;

  /** `log`: name of the write-ahead log in `dir`. */
  constructor(dir: string, log: string) {
    this.#dir = dir;
    this.#log = join(dir, log);
  }

  /** Whether messages of so many bytes may be added, when the database has `reusable` bytes that it does not use. */
  has(bytes: number, reusable: number): boolean {
    const { bavail, blocks, bsize } = statfsSync(this.#dir);
    const log = statSync(this.#log, { throwIfNoEntry: false })?.size ?? 0;
    const reserve = Math.min(RESERVE_BYTES, blocks * bsize * RESERVE_SHARE);
    // A message is written twice: into the log, and with the log into the database.
    const growth = Math.max(0, bytes + log - reusable);
    return bavail * bsize >= bytes + growth + reserve;
  }
}
