/** The database of a daemon in which people and clients are counted. */
import type { DatabaseSync } from "node:sqlite";
import type { Log } from "../net/log.ts";
import { openSideFile } from "../side-file/side-file.ts";

/** What `make` counts in it. Synchronous, and the only one that opens the file. */
export function openLimitsFile<T>(dir: string, log: Log, make: (db: DatabaseSync) => T): T {
  // NORMAL: a power cut leaves the file whole, without what the system had not written yet: half a minute of messages
  // and wrong passwords that count no more, at most. Nobody outside can cause one, so nothing is won by guessing or
  // sending until it comes, and no message waits for the disk a second time. A killed daemon loses nothing.
  return openSideFile({ dir, name: "limits.sqlite", synchronous: "NORMAL", log }, make);
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
