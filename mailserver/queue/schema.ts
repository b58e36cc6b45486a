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

/** Attempts of before they were counted have numbers below all others, in their order: numbering them would sort them all. */
const BEFORE = 1_000_000;

/**
 * What keeps each step of the work as cheap in a long queue as in a short one:
 * `destination` has the earliest time at which something may be due for each, so that a claim looks at destinations and
 * not at the recipients of one that takes none. `total` spares counting. Triggers keep both, whoever writes.
 * `history` is rows, so that an attempt adds one instead of rewriting all that came before. Its column goes by a copy of
 * the table: to drop it would keep every page of before in memory until the statement ends.
 */
const FOR_MILLIONS = `
  CREATE TABLE history (
    item TEXT NOT NULL,
    seq INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    at INTEGER NOT NULL,
    state TEXT NOT NULL,
    answer TEXT NOT NULL,
    PRIMARY KEY (item, seq, attempt)
  ) WITHOUT ROWID;
  INSERT OR IGNORE INTO history
    SELECT item.id, entry.value ->> 'seq', entry.key - ${BEFORE},
      entry.value ->> 'at', entry.value ->> 'state', entry.value -> 'answer'
    FROM item, json_each(CASE WHEN json_valid(item.history) THEN item.history ELSE '[]' END) AS entry;
  CREATE TABLE item_without (
    id TEXT PRIMARY KEY,
    created INTEGER NOT NULL,
    envelope TEXT NOT NULL,
    size INTEGER NOT NULL
  ) WITHOUT ROWID;
  INSERT INTO item_without SELECT id, created, envelope, size FROM item;
  DROP TABLE item;
  ALTER TABLE item_without RENAME TO item;
  ALTER TABLE unreadable ADD COLUMN history TEXT NOT NULL DEFAULT '[]';

  DROP INDEX due;
  CREATE INDEX waiting ON recipient (destination, next_attempt) WHERE state = 'pending';
  CREATE TABLE destination (name TEXT PRIMARY KEY, next_attempt INTEGER NOT NULL) WITHOUT ROWID;
  CREATE INDEX destination_next ON destination (next_attempt);
  INSERT INTO destination
    SELECT destination, min(next_attempt) FROM recipient WHERE state = 'pending' GROUP BY destination;
  CREATE TRIGGER recipient_added AFTER INSERT ON recipient WHEN new.state = 'pending' BEGIN
    INSERT INTO destination VALUES (new.destination, new.next_attempt)
      ON CONFLICT (name) DO UPDATE SET next_attempt = excluded.next_attempt
      WHERE excluded.next_attempt < next_attempt;
  END;
  ${refreshing("recipient_changed", "UPDATE OF state, next_attempt")}
  ${refreshing("recipient_removed", "DELETE")}

  CREATE TABLE total (id INTEGER PRIMARY KEY CHECK (id = 0), items INTEGER NOT NULL);
  INSERT INTO total SELECT 0, count(*) FROM item;
  CREATE TRIGGER item_added AFTER INSERT ON item BEGIN UPDATE total SET items = items + 1; END;
  CREATE TRIGGER item_removed AFTER DELETE ON item BEGIN UPDATE total SET items = items - 1; END;
`;

function refreshing(name: string, event: string): string {
  const first = `SELECT destination, next_attempt FROM recipient
      WHERE state = 'pending' AND destination = old.destination ORDER BY next_attempt LIMIT 1`;
  return `CREATE TRIGGER ${name} AFTER ${event} ON recipient WHEN old.state = 'pending' BEGIN
    DELETE FROM destination WHERE name = old.destination AND NOT EXISTS (${first});
    INSERT INTO destination SELECT * FROM (${first}) WHERE true
      ON CONFLICT (name) DO UPDATE SET next_attempt = excluded.next_attempt
      WHERE excluded.next_attempt <> next_attempt;
  END;`;
}

/**
 * `owed` says what the sender is still to be told of a recipient (it was `reported`, for failures alone), beside what
 * the sender asked for (RFC 3461). A recipient may be `held`, and waits anew once that is over. What the metrics ask
 * for is counted in indices.
 */
const NOTIFICATIONS = `
  ALTER TABLE recipient ADD COLUMN notify TEXT;
  ALTER TABLE recipient ADD COLUMN orcpt TEXT;
  ALTER TABLE recipient ADD COLUMN owed TEXT;
  ALTER TABLE recipient ADD COLUMN delay_told INTEGER NOT NULL DEFAULT 0;
  UPDATE recipient SET owed = 'failed' WHERE state IN ('failed', 'expired') AND reported = 0;
  DROP INDEX unreported;
  ALTER TABLE recipient DROP COLUMN reported;
  CREATE INDEX owed ON recipient (item) WHERE owed IS NOT NULL;
  CREATE INDEX deferred ON recipient (item) WHERE state = 'pending' AND attempts > 0;
  CREATE INDEX held ON recipient (item) WHERE state = 'held';
  CREATE INDEX item_created ON item (created);
  CREATE TRIGGER recipient_freed AFTER UPDATE OF state ON recipient
    WHEN old.state <> 'pending' AND new.state = 'pending' BEGIN
    INSERT INTO destination VALUES (new.destination, new.next_attempt)
      ON CONFLICT (name) DO UPDATE SET next_attempt = excluded.next_attempt
      WHERE excluded.next_attempt < next_attempt;
  END;
`;

/** With everything that counting asks for, so that no row is read. */
const COUNTED = `
  DROP INDEX deferred;
  CREATE INDEX deferred ON recipient (item, attempts) WHERE state = 'pending' AND attempts > 0;
`;

/**
 * Step n leads from version n to n + 1 (`PRAGMA user_version`). What a released step makes never changes, steps are only added:
 * a queue that waits on a disk may be of any version. The first one also meets tables of before versions were counted.
 */
export const STEPS: readonly string[] = [
  FIRST,
  "ALTER TABLE recipient ADD COLUMN originals TEXT",
  FOR_MILLIONS,
  NOTIFICATIONS,
  COUNTED,
];

/**
 * As long as something lies aside its message stays, whoever deletes it: an earlier version of this program, too, which is
 * why this is no step. Made with the first that is set aside, or where something lies aside already: nobody else shall pay
 * for it, nor depend on that table.
 */
export const KEEPING: readonly string[] = [
  "CREATE INDEX IF NOT EXISTS without_body ON unreadable (id) WHERE body IS NULL",
  `CREATE TRIGGER IF NOT EXISTS body_kept BEFORE DELETE ON body
    WHEN EXISTS (SELECT 1 FROM unreadable WHERE id = old.id AND body IS NULL) BEGIN
    SELECT RAISE(IGNORE);
  END`,
];

/**
 * Temporary: what was in flight is free again, once, whenever the database is opened. So is who was left out since they
 * could not be read, nor set aside.
 */
export const CLAIMED = `
  CREATE TEMP TABLE claimed (
    item TEXT NOT NULL,
    seq INTEGER NOT NULL,
    left_out INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (item, seq)
  ) WITHOUT ROWID;
`;

/** Set at every open, before the schema. SQLite itself moves nothing of the log into the database: transactions.ts does. */
export const PRAGMAS = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  PRAGMA temp_store = MEMORY;
  PRAGMA wal_autocheckpoint = 0;
  PRAGMA busy_timeout = 5000;
`;
