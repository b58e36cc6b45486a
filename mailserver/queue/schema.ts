/** The queue's tables, as steps from each version to the next. Times are milliseconds since 1970. */

/**
 * `body` stands apart so that changing an item's history never rewrites the message. `content` is null when the
 * body is kept elsewhere (large ones in files, to come).
 */
const FIRST = `
  CREATE TABLE IF NOT EXISTS item (
    id TEXT PRIMARY KEY,
    created INTEGER NOT NULL,
    envelope TEXT NOT NULL,
    size INTEGER NOT NULL,
    history TEXT NOT NULL DEFAULT '[]'
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS body (id TEXT PRIMARY KEY, content BLOB);
  CREATE TABLE IF NOT EXISTS recipient (
    item TEXT NOT NULL,
    seq INTEGER NOT NULL,
    address TEXT NOT NULL,
    destination TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    next_attempt INTEGER NOT NULL,
    answer TEXT,
    reported INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (item, seq)
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS due ON recipient (next_attempt) WHERE state = 'pending';
  CREATE INDEX IF NOT EXISTS unreported ON recipient (item) WHERE state IN ('failed', 'expired') AND reported = 0;
  CREATE TABLE IF NOT EXISTS unreadable (
    id TEXT NOT NULL,
    at INTEGER NOT NULL,
    cause TEXT NOT NULL,
    item TEXT NOT NULL,
    recipients TEXT NOT NULL,
    body BLOB
  );
`;

/**
 * Step n leads from version n to n + 1 (`PRAGMA user_version`). What has been released is never changed, only added to:
 * a queue that waits on a disk may be of any version. The first one also meets tables of before versions were counted.
 */
export const STEPS: readonly string[] = [FIRST, "ALTER TABLE recipient ADD COLUMN originals TEXT"];

/** Temporary: what was in flight is free again, once, whenever the database is opened. */
export const CLAIMED = `
  CREATE TEMP TABLE claimed (item TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (item, seq)) WITHOUT ROWID;
`;

/** Set at every open, before the schema. */
export const PRAGMAS = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  PRAGMA temp_store = MEMORY;
  PRAGMA busy_timeout = 5000;
`;
