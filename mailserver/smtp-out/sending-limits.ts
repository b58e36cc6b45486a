/**
 * How much one person may send: a stolen password must not become a flood. Counted in a database beside the queue, so
 * that a restart forgives nothing. Synchronous, and the only one that writes to its tables.
 */
import { createHash } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import type { SendingSettings } from "../contract.ts";
import { atOnce } from "../limits/limits-file.ts";

/** A limit that a message would pass. */
export type Limit = "messagesPerMinute" | "messagesPerDay" | "newRecipientsPerDay";

export interface SendingLimits {
  /** The limit that one more message to so many new recipients would pass. Counts nothing: others may be quicker. */
  would(uid: string, fresh: number): Limit | undefined;
  /** Whether the person has not written to an address in the last 90 days. */
  isNew(uid: string, address: string): boolean;
  /** Counts a message and its recipients, unless a limit forbids it: then nothing is counted. */
  take(uid: string, recipients: readonly string[]): Taken;
  /** True the first time on a day: somebody should hear of it. */
  firstToday(uid: string): boolean;
  /** Nobody could be told: the next time is the first again. */
  untold(uid: string): void;
}

/** `giveBack`: the message did not come to be after all, and counts no more. */
export type Taken =
  | { readonly kind: "counted"; giveBack(): void }
  | { readonly kind: "limited"; readonly limit: Limit };

const MINUTE = 60_000;
const DAY = 86_400_000;
/** Whom a person has not written to for so long is new to them again. */
const KNOWN_MS = 90 * DAY;

const SCHEMA = `
CREATE TABLE IF NOT EXISTS sent (uid TEXT, span INTEGER, start INTEGER, count INTEGER, PRIMARY KEY (uid, span)) STRICT;
CREATE TABLE IF NOT EXISTS known (uid TEXT, address BLOB, since INTEGER, last INTEGER, PRIMARY KEY (uid, address)) STRICT;
CREATE INDEX IF NOT EXISTS known_since ON known (uid, since);
CREATE INDEX IF NOT EXISTS known_last ON known (last);
CREATE TABLE IF NOT EXISTS warned (uid TEXT PRIMARY KEY, day INTEGER) STRICT;
`;

export function createSendingLimits(options: {
  /** Of `openLimitsFile`. */
  readonly db: DatabaseSync;
  readonly limits: SendingSettings;
  readonly now: () => number;
}): SendingLimits {
  const { db, limits, now } = options;
  const tables = openTables(db);

  function passed(uid: string, fresh: number, at: number): Limit | undefined {
    if (limits.exempt.includes(uid)) return undefined;
    const { messagesPerMinute, messagesPerDay, newRecipientsPerDay } = limits;
    const over = (value: number, limit: number): boolean => limit > 0 && value > limit;
    const day = startOf(at, DAY);
    if (over(tables.sent(uid, MINUTE, startOf(at, MINUTE)) + 1, messagesPerMinute))
      return "messagesPerMinute";
    if (over(tables.sent(uid, DAY, day) + 1, messagesPerDay)) return "messagesPerDay";
    if (fresh === 0) return undefined;
    return over(tables.news(uid, day, day + DAY) + fresh, newRecipientsPerDay)
      ? "newRecipientsPerDay"
      : undefined;
  }

  function count(uid: string, addresses: readonly Buffer[], at: number): void {
    for (const span of [MINUTE, DAY]) tables.add(uid, span, startOf(at, span));
    tables.forget(at - KNOWN_MS);
    for (const address of addresses) tables.remember(uid, address, at);
  }

  function uncount(uid: string, fresh: readonly Buffer[], at: number): void {
    for (const span of [MINUTE, DAY]) tables.subtract(uid, span, startOf(at, span));
    // Not those to whom something else was sent meanwhile.
    for (const address of fresh) tables.unlearn(uid, address, at);
  }

  return {
    would: (uid, fresh) => passed(uid, fresh, now()),
    isNew: (uid, address) => !tables.isKnown(uid, digest(address), now() - KNOWN_MS),
    take(uid, recipients) {
      const at = now();
      const addresses = [...new Set(recipients.map((address) => address.toLowerCase()))].map(digest);
      const fresh = addresses.filter((address) => !tables.isKnown(uid, address, at - KNOWN_MS));
      const limit = passed(uid, fresh.length, at);
      if (limit !== undefined) return { kind: "limited", limit };
      if (limits.exempt.includes(uid)) return { kind: "counted", giveBack: () => {} };
      atOnce(db, () => count(uid, addresses, at));
      return { kind: "counted", giveBack: () => atOnce(db, () => uncount(uid, fresh, at)) };
    },
    firstToday: (uid) => tables.warn(uid, startOf(now(), DAY)),
    untold: (uid) => tables.unwarn(uid),
  };
}

function openTables(db: DatabaseSync) {
  db.exec(SCHEMA);
  const count = db.prepare("SELECT count FROM sent WHERE uid = ? AND span = ? AND start = ?");
  const add = db.prepare(
    `INSERT INTO sent (uid, span, start, count) VALUES (?, ?, ?, 1) ON CONFLICT (uid, span)
     DO UPDATE SET count = iif(start = excluded.start, count + 1, 1), start = excluded.start`,
  );
  const subtract = db.prepare("UPDATE sent SET count = count - 1 WHERE uid = ? AND span = ? AND start = ?");
  const isKnown = db.prepare("SELECT 1 FROM known WHERE uid = ? AND address = ? AND last >= ?");
  const news = db.prepare("SELECT count(*) AS count FROM known WHERE uid = ? AND since >= ? AND since < ?");
  const remember = db.prepare(
    `INSERT INTO known (uid, address, since, last) VALUES (?, ?, ?, ?) ON CONFLICT (uid, address)
     DO UPDATE SET last = excluded.last`,
  );
  const unlearn = db.prepare("DELETE FROM known WHERE uid = ? AND address = ? AND since = ? AND last = ?");
  const forget = db.prepare("DELETE FROM known WHERE last < ?");
  const warn = db.prepare(
    "INSERT INTO warned (uid, day) VALUES (?, ?) ON CONFLICT (uid) DO UPDATE SET day = excluded.day WHERE day <> excluded.day",
  );
  const unwarn = db.prepare("DELETE FROM warned WHERE uid = ?");
  return {
    sent: (uid: string, span: number, start: number) => Number(count.get(uid, span, start)?.count ?? 0),
    add: (uid: string, span: number, start: number) => void add.run(uid, span, start),
    subtract: (uid: string, span: number, start: number) => void subtract.run(uid, span, start),
    isKnown: (uid: string, address: Buffer, since: number) => isKnown.get(uid, address, since) !== undefined,
    news: (uid: string, since: number, until: number) => Number(news.get(uid, since, until)?.count ?? 0),
    remember: (uid: string, address: Buffer, at: number) => void remember.run(uid, address, at, at),
    unlearn: (uid: string, address: Buffer, at: number) => void unlearn.run(uid, address, at, at),
    forget: (before: number) => void forget.run(before),
    warn: (uid: string, day: number) => warn.run(uid, day).changes > 0,
    unwarn: (uid: string) => void unwarn.run(uid),
  };
}

function startOf(at: number, span: number): number {
  return at - (at % span);
}

/** Whom somebody writes to need not be readable in one more file. */
function digest(address: string): Buffer {
  return createHash("sha256").update(address.toLowerCase()).digest().subarray(0, 16);
}
