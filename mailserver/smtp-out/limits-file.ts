/** The database beside the queue in which people and clients are counted. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

/** Synchronous, and the only one that opens the file. */
export function openLimitsFile(dir: string): DatabaseSync {
  mkdirSync(dir, { recursive: true });
  const db = new DatabaseSync(join(dir, "limits.sqlite"));
  // NORMAL: what a power loss takes is the last few counts, and nobody waits for the disk because of them.
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
