/**
 * How much one person may send: a stolen password must not become a flood. Counted in a database beside the queue, so
 * that a restart forgives nothing. Synchronous, and the only one that writes to the file.
 */
import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { SendingSettings } from "../contract.ts";

/** A limit that a message would pass. */
export type Limit = "messagesPerMinute" | "messagesPerDay" | "newRecipientsPerDay";

export interface SendingLimits {
  /** Counts a message and its recipients, unless a limit forbids it: then nothing is counted. */
  take(uid: string, recipients: readonly string[]): Limit | undefined;
  /** True the first time on a day: somebody should hear of it. */
  firstToday(uid: string): boolean;
  close(): void;
}

const MINUTE = 60_000;
const DAY = 86_400_000;
/** Whom a person has not written to for so long is new to them again. */
const KNOWN_MS = 90 * DAY;

// NORMAL: what a power loss takes is the last few counts, and no message waits for the disk because of them.
const SCHEMA = `
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS sent (uid TEXT, span INTEGER, start INTEGER, count INTEGER, PRIMARY KEY (uid, span)) STRICT;
CREATE TABLE IF NOT EXISTS known (uid TEXT, address BLOB, since INTEGER, last INTEGER, PRIMARY KEY (uid, address)) STRICT;
CREATE INDEX IF NOT EXISTS known_since ON known (uid, since);
CREATE INDEX IF NOT EXISTS known_last ON known (last);
CREATE TABLE IF NOT EXISTS warned (uid TEXT PRIMARY KEY, day INTEGER) STRICT;
`;

export function openSendingLimits(options: {
  readonly dir: string;
  readonly limits: SendingSettings;
  readonly now: () => number;
}): SendingLimits {
  const { dir, limits, now } = options;
  mkdirSync(dir, { recursive: true });
  const db = new DatabaseSync(join(dir, "limits.sqlite"));
  db.exec(SCHEMA);
  const count = db.prepare("SELECT count FROM sent WHERE uid = ? AND span = ? AND start = ?");
  const add = db.prepare(
    `INSERT INTO sent (uid, span, start, count) VALUES (?, ?, ?, 1) ON CONFLICT (uid, span)
     DO UPDATE SET count = iif(start = excluded.start, count + 1, 1), start = excluded.start`,
  );
  const isKnown = db.prepare("SELECT 1 FROM known WHERE uid = ? AND address = ? AND last >= ?");
  const news = db.prepare("SELECT count(*) AS count FROM known WHERE uid = ? AND since >= ?");
  const remember = db.prepare(
    `INSERT INTO known (uid, address, since, last) VALUES (?, ?, ?, ?) ON CONFLICT (uid, address)
     DO UPDATE SET last = excluded.last`,
  );
  const forget = db.prepare("DELETE FROM known WHERE last < ?");
  const warn = db.prepare(
    "INSERT INTO warned (uid, day) VALUES (?, ?) ON CONFLICT (uid) DO UPDATE SET day = excluded.day WHERE day < excluded.day",
  );

  const sent = (uid: string, span: number, start: number): number =>
    Number(count.get(uid, span, start)?.count ?? 0);

  function passed(uid: string, addresses: readonly Buffer[], at: number): Limit | undefined {
    const { messagesPerMinute, messagesPerDay, newRecipientsPerDay } = limits;
    const over = (value: number, limit: number): boolean => limit > 0 && value > limit;
    const day = startOf(at, DAY);
    if (over(sent(uid, MINUTE, startOf(at, MINUTE)) + 1, messagesPerMinute)) return "messagesPerMinute";
    if (over(sent(uid, DAY, day) + 1, messagesPerDay)) return "messagesPerDay";
    const fresh = addresses.filter(
      (address) => isKnown.get(uid, address, at - KNOWN_MS) === undefined,
    ).length;
    if (fresh === 0) return undefined;
    const found = Number(news.get(uid, day)?.count ?? 0) + fresh;
    return over(found, newRecipientsPerDay) ? "newRecipientsPerDay" : undefined;
  }

  return {
    take(uid, recipients) {
      if (limits.exempt.includes(uid)) return undefined;
      const at = now();
      const addresses = [...new Set(recipients)].map(digest);
      const limit = passed(uid, addresses, at);
      if (limit !== undefined) return limit;
      db.exec("BEGIN");
      try {
        for (const span of [MINUTE, DAY]) add.run(uid, span, startOf(at, span));
        forget.run(at - KNOWN_MS);
        for (const address of addresses) remember.run(uid, address, at, at);
        db.exec("COMMIT");
      } catch (error) {
        if (db.isTransaction) db.exec("ROLLBACK");
        throw error;
      }
      return undefined;
    },
    firstToday: (uid) => warn.run(uid, startOf(now(), DAY)).changes > 0,
    close: () => db.close(),
  };
}

function startOf(at: number, span: number): number {
  return at - (at % span);
}

/** Whom somebody writes to need not be readable in one more file. */
function digest(address: string): Buffer {
  return createHash("sha256").update(address.toLowerCase()).digest().subarray(0, 16);
}
