/**
 * The queue's database. Synchronous: it runs in the worker thread, and nothing else writes to the file.
 * Every method is one step of a transaction that the caller begins and commits (`transaction`).
 */
import type { DatabaseSync } from "node:sqlite";
import { FILE, openDatabase } from "./database.ts";
import {
  type DueItem,
  ItemRow,
  type ItemView,
  type NewItem,
  type Settlement,
  type Unreported,
} from "./item.ts";
import { DiskRoom } from "./room.ts";
import { readDue, readRecipients, readUnreported } from "./rows.ts";
import { Statements } from "./statements.ts";

/** SQLite's own default. */
const PAGE_BYTES = 4_096;

/** An item that could not be read and lies in the table `unreadable` now. */
export interface SetAside {
  readonly id: string;
  readonly cause: string;
}

export interface ClaimQuery {
  readonly now: number;
  /** Recipients at most. */
  readonly limit: number;
  /** Destinations that are busy enough. */
  readonly except: readonly string[];
}

export interface StoreOptions {
  readonly dir: string;
  /** An upper bound in pages of 4 KiB, for tests of the full disk. */
  readonly maxPages?: number;
}

/** There is no room for one message more, though there is for what is done with those that were taken. */
export class NoRoom extends Error {
  override readonly name = "NoRoom";
}

export class Store {
  readonly #db: DatabaseSync;
  readonly #room: DiskRoom;
  readonly #sql: Statements;

  constructor(options: StoreOptions) {
    this.#db = openDatabase(options.dir);
    if (options.maxPages !== undefined) this.#db.exec(`PRAGMA max_page_count = ${options.maxPages}`);
    this.#sql = new Statements(this.#db);
    this.#room = new DiskRoom(options.dir, `${FILE}-wal`);
  }

  /** Before a transaction that adds messages of so many bytes in all: moves the log into the database if that helps. */
  prepare(bytes: number): void {
    if (!this.#hasRoom(bytes)) this.checkpoint();
  }

  /** Moves the whole log into the database, so that it begins anew. Does nothing when there is no room for that. */
  checkpoint(): void {
    attempt(() => this.#sql.all("PRAGMA wal_checkpoint(TRUNCATE)"));
  }

  /** Runs `work` in one transaction: durable when this returns, undone when it throws. */
  transaction<T>(work: () => T): T {
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      const result = work();
      this.#db.exec("COMMIT");
      return result;
    } catch (error) {
      // SQLite may have rolled back by itself, e.g. when the disk is full.
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      throw error;
    }
  }

  /** Throws NoRoom when the disk would be too full for what has to be written of the others. */
  enqueue(item: NewItem): void {
    const { id, created } = item;
    if (!this.#hasRoom(item.body.length)) throw new NoRoom("the disk is full");
    this.#sql.run(
      "INSERT INTO item (id, created, envelope, size) VALUES (?, ?, ?, ?)",
      ...[id, created, json(item.envelope), item.body.length],
    );
    this.#sql.run("INSERT INTO body (id, content) VALUES (?, ?)", id, item.body);
    for (const [seq, { address, destination, originals }] of item.recipients.entries()) {
      this.#sql.run(
        `INSERT INTO recipient (item, seq, address, destination, state, attempts, next_attempt, originals)
         VALUES (?, ?, ?, ?, 'pending', 0, ?, ?)`,
        ...[id, seq, address, destination, created, originals === undefined ? null : json(originals)],
      );
    }
  }

  /** Due recipients, grouped by item; they are not given out again until settled or released. */
  claimDue(query: ClaimQuery): { items: DueItem[]; setAside: SetAside[] } {
    const due = this.#sql.all(
      `SELECT item, seq FROM recipient r INDEXED BY due WHERE state = 'pending' AND next_attempt <= ?
       AND destination NOT IN (SELECT value FROM json_each(?))
       AND NOT EXISTS (SELECT 1 FROM claimed c WHERE c.item = r.item AND c.seq = r.seq)
       ORDER BY next_attempt LIMIT ?`,
      ...[query.now, json(query.except), query.limit],
    );
    const items: DueItem[] = [];
    const setAside: SetAside[] = [];
    for (const [id, rows] of Map.groupBy(due, (row) => String(row.item))) {
      try {
        items.push(readDue(this.#sql, id, new Set(rows.map((row) => Number(row.seq)))));
        for (const { seq } of rows)
          this.#sql.run("INSERT INTO claimed (item, seq) VALUES (?, ?)", id, Number(seq));
      } catch (error) {
        setAside.push(this.setAside({ id, cause: message(error), at: query.now }));
      }
    }
    return { items, setAside };
  }

  /** The message of an item; throws when it can't be read. */
  body(id: string): Uint8Array {
    const content = this.#sql.get("SELECT content FROM body WHERE id = ?", id)?.content;
    if (!(content instanceof Uint8Array)) throw new Error(`the body of ${id} is missing`);
    return content;
  }

  /** Stores what an attempt found. Gives back whether nobody works on the item any more. */
  settle(change: { id: string; at: number; settlements: readonly Settlement[] }): { idle: boolean } {
    for (const { seq, state, attempts, nextAttempt, answer } of change.settlements) {
      this.#sql.run(
        "UPDATE recipient SET state = ?, attempts = ?, next_attempt = ?, answer = ? WHERE item = ? AND seq = ?",
        ...[state, attempts, nextAttempt ?? 0, json(answer), change.id, seq],
      );
      const entry = json({ at: change.at, seq, state, answer });
      this.#sql.run(
        "UPDATE item SET history = json_insert(history, '$[#]', json(?)) WHERE id = ?",
        entry,
        change.id,
      );
    }
    return this.release({ id: change.id, seqs: change.settlements.map(({ seq }) => seq) });
  }

  /** Gives claimed recipients back unchanged. */
  release(claim: { id: string; seqs: readonly number[] }): { idle: boolean } {
    for (const seq of claim.seqs)
      this.#sql.run("DELETE FROM claimed WHERE item = ? AND seq = ?", claim.id, seq);
    this.#forgetIfDone(claim.id);
    return { idle: this.#sql.get("SELECT 1 FROM claimed WHERE item = ? LIMIT 1", claim.id) === undefined };
  }

  /** Items with failures that the sender has not been told of; of one item, or of all (at start). */
  unreported(query: { id: string | null; at: number }): { items: Unreported[]; setAside: SetAside[] } {
    const rows = this.#sql.all(
      `SELECT DISTINCT item FROM recipient WHERE state IN ('failed', 'expired') AND reported = 0
       AND item = coalesce(?, item)`,
      query.id,
    );
    const items: Unreported[] = [];
    const setAside: SetAside[] = [];
    for (const row of rows) {
      try {
        items.push(readUnreported(this.#sql, String(row.item)));
      } catch (error) {
        setAside.push(this.setAside({ id: String(row.item), cause: message(error), at: query.at }));
      }
    }
    return { items, setAside };
  }

  /** Marks failures as reported and queues the report, both or neither. */
  report(change: { id: string; seqs: readonly number[]; dsn?: NewItem }): void {
    if (change.dsn !== undefined) this.enqueue(change.dsn);
    for (const seq of change.seqs) {
      this.#sql.run("UPDATE recipient SET reported = 1 WHERE item = ? AND seq = ?", change.id, seq);
    }
    this.#forgetIfDone(change.id);
  }

  /** Makes everything that waits for a destination due: it takes mail again. */
  hasten(change: { destination: string; at: number }): void {
    const { destination, at } = change;
    this.#sql.run(
      "UPDATE recipient SET next_attempt = ? WHERE state = 'pending' AND next_attempt > ? AND destination = ?",
      ...[at, at, destination],
    );
  }

  /** When the next unclaimed recipient is due. */
  nextDue(except: readonly string[]): number | undefined {
    const row = this.#sql.get(
      `SELECT next_attempt FROM recipient r INDEXED BY due WHERE state = 'pending'
       AND destination NOT IN (SELECT value FROM json_each(?))
       AND NOT EXISTS (SELECT 1 FROM claimed c WHERE c.item = r.item AND c.seq = r.seq)
       ORDER BY next_attempt LIMIT 1`,
      json(except),
    );
    return row === undefined ? undefined : Number(row.next_attempt);
  }

  /** Items in the queue, and set aside. */
  counts(): { items: number; unreadable: number } {
    const row = this.#sql.get(
      "SELECT (SELECT count(*) FROM item) AS items, (SELECT count(*) FROM unreadable) AS unreadable",
    );
    return { items: Number(row?.items), unreadable: Number(row?.unreadable) };
  }

  /** Everything that is known of one item but its body. */
  show(id: string): ItemView | undefined {
    const row = this.#sql.get("SELECT * FROM item WHERE id = ?", id);
    if (row === undefined) return undefined;
    return {
      ...ItemRow.parse(row),
      recipients: readRecipients(this.#sql, id).map(
        ({ next_attempt, answer, seq: _, originals, ...rest }) => ({
          ...rest,
          ...(originals && { originals }),
          nextAttempt: next_attempt,
          ...(answer === null ? {} : { lastAnswer: answer }),
        }),
      ),
    };
  }

  /** Moves an item out of the way of the others, with everything that can still be read of it. */
  setAside(item: { id: string; cause: string; at: number }): SetAside {
    const { id, cause, at } = item;
    const row = (sql: string) => json(attempt(() => this.#sql.all(sql, id)) ?? []);
    const values = [row("SELECT * FROM item WHERE id = ?"), row("SELECT * FROM recipient WHERE item = ?")];
    const body = attempt(() => this.body(id)) ?? null;
    const sql = "INSERT INTO unreadable (id, at, cause, item, recipients, body) VALUES (?, ?, ?, ?, ?, ?)";
    this.#sql.run(sql, id, at, cause, ...values, body);
    this.#forget(id);
    return { id, cause };
  }

  close(): void {
    this.#db.close();
  }

  #hasRoom(bytes: number): boolean {
    const pages = Number(this.#sql.get("PRAGMA freelist_count")?.freelist_count ?? 0);
    return this.#room.has(bytes, pages * PAGE_BYTES);
  }

  #forgetIfDone(id: string): void {
    const open = this.#sql.get(
      `SELECT 1 FROM recipient WHERE item = ? AND (state = 'pending'
       OR (state IN ('failed', 'expired') AND reported = 0)) LIMIT 1`,
      id,
    );
    if (open === undefined) this.#forget(id);
  }

  #forget(id: string): void {
    this.#sql.run("DELETE FROM recipient WHERE item = ?", id);
    this.#sql.run("DELETE FROM claimed WHERE item = ?", id);
    this.#sql.run("DELETE FROM body WHERE id = ?", id);
    this.#sql.run("DELETE FROM item WHERE id = ?", id);
  }
}

const json = (value: unknown): string => JSON.stringify(value);

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
