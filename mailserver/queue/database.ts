/** Opens the queue's database: makes it, or brings it to this version's tables. */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { isFullForSqlite, orNothing } from "./fault.ts";
import { NoRoom } from "./room.ts";
import { CLAIMED, KEEPING, PRAGMAS, STEPS } from "./schema.ts";
import { makeFolder, syncFolder } from "./sync-folder.ts";
import { writeAgain } from "./write-again.ts";

/** Its name in the queue's folder. */
export const FILE = "queue.sqlite";
/** SQLite's name for its log. */
export const LOG = `${FILE}-wal`;

/**
 * The last connection to a database that is closed moves the log into it, and removes the log. A second one, which is closed
 * last, only reads and so can't.
 */
export class QueueDatabase extends DatabaseSync {
  readonly #reader: DatabaseSync;
  readonly #log: string;
  #secured = false;

  /** By the names of the file and its log. */
  constructor(path: string, log: string) {
    super(path);
    this.#log = log;
    try {
      this.exec(PRAGMAS);
      this.#reader = new DatabaseSync(path, { readOnly: true });
      // From its first read on it has its part in the lock.
      this.#reader.prepare("SELECT 1 FROM sqlite_schema").get();
    } catch (error) {
      super.close();
      throw error;
    }
  }

  /**
   * The log that an earlier process left may have ended with a commit that the disk did not take (transactions.ts): whatever
   * follows in the log would be lost with it, and so would the database's pages that are written from it. Needed once,
   * within a transaction. Throws NoRoom where there is none: some file systems write nothing in place (Btrfs, ZFS).
   */
  secure(): void {
    if (this.#secured) return;
    try {
      writeAgain(this.#log);
    } catch (error) {
      throw isFull(error) ? new NoRoom("the disk has no room for the log that it has") : error;
    }
    this.#secured = true;
  }

  /** The log stays, for a start on a full disk, where there is no room to make one; what is in it goes into the database. */
  override close(): void {
    if (this.#secured) orNothing(() => this.exec("PRAGMA wal_checkpoint(PASSIVE)"));
    this.abandon();
  }

  /** Leaves the files as they are, also when the thread or the process ends. */
  abandon(): void {
    super.close();
    if (this.#reader.isOpen) this.#reader.close();
  }
}

/** Throws when the file is of a newer version than this program: what that wrote must not be read half. */
export function openDatabase(dir: string): QueueDatabase {
  makeFolder(dir);
  const db = openFiles(dir);
  try {
    // As on any full disk: who asks is answered, and what would change anything waits for room.
    whereRoom(() => undone(db, () => db.secure()));
    migrate(db);
    keepAsides(db);
    db.exec(CLAIMED);
    syncFolder(dir);
    return db;
  } catch (error) {
    db.abandon();
    throw error;
  }
}

/** A queue that is new here, or whose log is gone, needs room for one before anything can be read. */
function openFiles(dir: string): QueueDatabase {
  const path = join(dir, FILE);
  try {
    return new QueueDatabase(path, join(dir, LOG));
  } catch (cause) {
    if (!isFullForSqlite(cause)) throw cause;
    throw new NoRoom(`${path} can't be opened on a full disk: make room, and the next start opens it`, {
      cause,
    });
  }
}

function whereRoom(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof NoRoom)) throw error;
  }
}

function isFull(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOSPC" || error.code === "EDQUOT");
}

/** Nobody else writes to the log meanwhile. */
function undone(db: DatabaseSync, work: () => void): void {
  db.exec("BEGIN IMMEDIATE");
  try {
    work();
  } finally {
    db.exec("ROLLBACK");
  }
}

/** All the missing steps, or none. */
function migrate(db: QueueDatabase): void {
  const version = Number(db.prepare("PRAGMA user_version").get()?.user_version);
  if (version > STEPS.length) {
    throw new Error(
      `the queue has tables of version ${version}, and this program knows ${STEPS.length} at most: start the newer program that wrote them`,
    );
  }
  if (version === STEPS.length) return;
  db.exec("BEGIN IMMEDIATE");
  try {
    db.secure();
    for (const step of STEPS.slice(version)) db.exec(step);
    db.exec(`PRAGMA user_version = ${STEPS.length}`);
    db.exec("COMMIT");
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

/** What a version set aside that kept its message by asking whenever it deleted one. Where nothing lies aside nothing is made. */
function keepAsides(db: QueueDatabase): void {
  if (!orNothing(() => lacksKeeping(db))) return;
  undone(db, () => db.secure());
  orNothing(() => {
    for (const sql of KEEPING) db.exec(sql);
  });
}

function lacksKeeping(db: DatabaseSync): boolean {
  const rule = "SELECT 1 FROM sqlite_schema WHERE type = 'trigger' AND name = 'body_kept'";
  if (db.prepare(rule).get() !== undefined) return false;
  return db.prepare("SELECT 1 FROM unreadable WHERE body IS NULL LIMIT 1").get() !== undefined;
}
