/** The database of a daemon in which people and clients are counted. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

/** Synchronous, and the only one that opens the file. */
export function openLimitsFile(dir: string): DatabaseSync {
  mkdirSync(dir, { recursive: true });
  const db = new DatabaseSync(join(dir, "limits.sqlite"));
  // NORMAL: a power cut leaves the file whole, without what the system had not written yet: half a minute of messages
  // and wrong passwords that count no more, at most. Nobody outside can cause one, so nothing is won by guessing or
  // sending until it comes, and no message waits for the disk a second time. A killed daemon loses nothing.
  db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
  return db;
}

/** All that `work` writes, or nothing of it. */
export function atOnce(db: DatabaseSync, work: () => void): void {
  db.exec("BEGIN");
  try {
    work();
    db.exec("COMMIT");
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}
