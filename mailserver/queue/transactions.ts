/** Transactions of the queue's database, and the wait until the disk has them. */
import { closeSync, fdatasyncSync, openSync } from "node:fs";
import type { QueueDatabase } from "./database.ts";
import { orNothing } from "./fault.ts";
import { NoRoom } from "./room.ts";
import type { Statements } from "./statements.ts";

/**
 * It is not known what the disk has of the log. What the system could not write it may have let go of, and say nothing
 * when it is asked again, so that what is committed behind it would be lost with it. Another start reads the log anew, which
 * holds checksums, and writes it again.
 */
export class NotDurable extends Error {
  override readonly name = "NotDurable";
}

export interface TransactionParts {
  /** All that changes what is kept. */
  readonly sql: Statements;
  /** All that changes temporary tables. */
  readonly memory: Statements;
  /** Path of the write-ahead log, which is there once the database was read. */
  readonly log: string;
}

/** Pages: SQLite's own default. */
const LONG_LOG = 1_000;

/**
 * SQLite waits by fsync, which wants the time of a file's last change on the disk, too: a second write, to a journal that
 * all files of the machine share. What a log says is in its content and its length, which fdatasync waits for (POSIX), so
 * that SQLite is left to order its writes (`synchronous = NORMAL`), and each commit is waited for here. Before that nothing
 * of it goes into the database, whose pages are good only with a log that the disk has.
 */
export class Transactions {
  readonly #db: QueueDatabase;
  readonly #sql: Statements;
  readonly #memory: Statements;
  readonly #log: number;

  constructor(db: QueueDatabase, { sql, memory, log }: TransactionParts) {
    this.#db = db;
    this.#sql = sql;
    this.#memory = memory;
    this.#log = openSync(log, "r+");
  }

  /**
   * Runs `work` in one transaction: durable when this returns, undone when it throws. But for NotDurable: then nothing is
   * done with the database any more, not even by its close.
   */
  run<T>(work: () => T): T {
    const before = this.#sql.changes;
    const result = this.#commit(work);
    // Who only asked waits for no disk.
    if (this.#sql.changes > before) {
      this.#sync();
      orNothing(() => this.#shorten());
    }
    return result;
  }

  /** Moves the whole log into the database, so that it begins anew. Does nothing when there is no room for that. */
  checkpoint(): void {
    this.#secure();
    // What was written when the database was opened, too.
    this.#sync();
    orNothing(() => this.#checkpoint("TRUNCATE"));
  }

  close(): void {
    closeSync(this.#log);
  }

  /** The file is as long as the log ever was: a new one is written over it, from the front. */
  #shorten(): void {
    if (this.#checkpoint("NOOP") >= LONG_LOG) this.#checkpoint("PASSIVE");
  }

  /** Gives how many pages are in the log: https://sqlite.org/pragma.html#pragma_wal_checkpoint */
  #checkpoint(mode: "NOOP" | "PASSIVE" | "TRUNCATE"): number {
    return Number(this.#sql.get(`PRAGMA wal_checkpoint(${mode})`)?.log);
  }

  #commit<T>(work: () => T): T {
    const kept = this.#sql.changes;
    const changes = (): number => this.#sql.changes + this.#memory.changes;
    const before = changes();
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      const result = work();
      if (this.#sql.changes > kept) this.#secure();
      // Who met a page that can't be read and could go on without it has an answer, though SQLite would commit nothing any more.
      if (changes() > before) this.#db.exec("COMMIT");
      else this.#undo();
      return result;
    } catch (error) {
      this.#undo();
      throw error;
    }
  }

  /** SQLite may have done so by itself, e.g. when the disk is full, or could not read a page. */
  #undo(): void {
    if (this.#db.isOpen && this.#db.isTransaction) this.#db.exec("ROLLBACK");
  }

  /** Before the first commit. Throws NoRoom as long as there is none for the log that was found. */
  #secure(): void {
    this.#durable(() => this.#db.secure());
  }

  #sync(): void {
    this.#durable(() => fdatasyncSync(this.#log));
  }

  #durable(write: () => void): void {
    try {
      write();
    } catch (cause) {
      if (cause instanceof NoRoom) throw cause;
      this.#db.abandon();
      throw new NotDurable("the disk did not take the queue's log", { cause });
    }
  }
}
