/**
 * The queue's database. Synchronous: it runs in the worker thread, and nothing else writes to the file.
 * Every method is one step of a transaction that the caller begins and commits (`transaction`).
 */
import { join } from "node:path";
import { type Aside, Asides, type SetAside, type ToSetAside } from "./aside.ts";
import { type ClaimQuery, Claims } from "./claims.ts";
import { LOG, openDatabase, type QueueDatabase } from "./database.ts";
import { type Census, Desk, type Flushed, type ListQuery, type Managed, type ManageRequest } from "./desk.ts";
import {
  type DueItem,
  type ItemView,
  isEnd,
  type NewItem,
  type OwedRecipient,
  type Settlement,
} from "./item.ts";
import {
  giveDue,
  giveUnreported,
  type OutgoingParts,
  type UnreportedItems,
  type UnreportedQuery,
} from "./outgoing.ts";
import { QUERIES } from "./queries.ts";
import { DiskRoom } from "./room.ts";
import { readItem } from "./rows.ts";
import { seqOf } from "./seq.ts";
import { writeSettlement } from "./settlement.ts";
import { Statements } from "./statements.ts";
import { Transactions } from "./transactions.ts";

/** A step that other work waits for meanwhile. */
const HASTENED_AT_ONCE = 1_000;
/** SQLite's own default. */
const PAGE_BYTES = 4_096;

/** What the sender was told of a recipient. */
type Told = Pick<OwedRecipient, "seq" | "owed">;

export interface StoreOptions {
  readonly dir: string;
  /** An upper bound in pages of 4 KiB, for tests of the full disk. */
  readonly maxPages?: number;
}

export class Store {
  readonly #db: QueueDatabase;
  readonly #room: DiskRoom;
  readonly #sql: Statements;
  readonly #transactions: Transactions;
  readonly #claims: Claims;
  readonly #asides: Asides;
  readonly #desk: Desk;

  constructor(options: StoreOptions) {
    this.#db = openDatabase(options.dir);
    if (options.maxPages !== undefined) this.#db.exec(`PRAGMA max_page_count = ${options.maxPages}`);
    this.#sql = new Statements(this.#db);
    // What is claimed is not for the disk.
    const memory = new Statements(this.#db);
    this.#transactions = new Transactions(this.#db, { sql: this.#sql, memory, log: join(options.dir, LOG) });
    this.#claims = new Claims(memory);
    this.#asides = new Asides(this.#sql, {
      forget: (id) => this.#forget(id),
      forgetIfDone: (id) => this.#forgetIfDone(id),
    });
    this.#desk = new Desk(this.#sql, { asides: this.#asides, forget: (id) => this.#forget(id) });
    const reusable = (): number =>
      Number(this.#sql.get("PRAGMA freelist_count")?.freelist_count ?? 0) * PAGE_BYTES;
    this.#room = new DiskRoom({ dir: options.dir, log: LOG, reusable });
  }

  /**
   * Before a transaction that adds messages of so many bytes in all, and asks whether so many may be added: moves the log
   * into the database if that helps.
   */
  prepare({ added, asked }: { added: number; asked: number }): void {
    const granted = this.#room.grant(added);
    if (!granted || (asked > 0 && !this.#room.has(asked))) this.checkpoint();
  }

  /** Whether messages of so many bytes may be added now. */
  hasRoom(bytes: number): boolean {
    return this.#room.has(bytes);
  }

  /** Moves the whole log into the database, so that it begins anew. Does nothing when there is no room for that. */
  checkpoint(): void {
    this.#transactions.checkpoint();
  }

  /** Runs `work` in one transaction: durable when this returns, undone when it throws. After NotDurable nothing may be done. */
  transaction<T>(work: () => T): T {
    return this.#transactions.run(work);
  }

  /** Throws NoRoom when the disk would be too full for what has to be written of the others. */
  enqueue(item: NewItem): void {
    const { id, created } = item;
    this.#room.take(item.body.length);
    this.#sql.run(
      "INSERT INTO item (id, created, envelope, size) VALUES (?, ?, ?, ?)",
      ...[id, created, json(item.envelope), item.body.length],
    );
    this.#sql.run("INSERT INTO body (id, content) VALUES (?, ?)", id, item.body);
    for (const [seq, { address, destination, originals, notify, orcpt }] of item.recipients.entries()) {
      this.#sql.run(
        `INSERT INTO recipient
           (item, seq, address, destination, state, attempts, next_attempt, originals, notify, orcpt)
         VALUES (?, ?, ?, ?, 'pending', 0, ?, ?, ?, ?)`,
        ...[id, seq, address, destination, created, ...[originals, notify, orcpt].map(optionalJson)],
      );
    }
    if (item.claimed) this.#claims.take({ item: id, seqs: [...item.recipients.keys()] });
  }

  /** All of them or, when it throws, none: what is made of one message. */
  enqueueAll(items: readonly NewItem[]): void {
    for (const item of items) this.enqueue(item);
  }

  /** Due recipients, grouped by item; they are not given out again until settled or released. */
  claimDue(query: ClaimQuery): { items: DueItem[]; setAside: SetAside[] } {
    return giveDue(this.#outgoing(), query);
  }

  /** What a delivery needs of claimed recipients; who is no longer to be delivered to is left out. */
  begin({
    id,
    seqs,
  }: {
    id: string;
    seqs: readonly number[];
  }): { seqs: number[]; body: Uint8Array } | undefined {
    const pending = new Set(this.#sql.all(QUERIES.pending, id).map(({ seq }) => seqOf(seq)));
    const ready = seqs.filter((seq) => pending.has(seq));
    return ready.length === 0 ? undefined : { seqs: ready, body: this.body(id) };
  }

  /** The message of an item; throws when it can't be read. */
  body(id: string): Uint8Array {
    const content = this.#sql.get("SELECT content FROM body WHERE id = ?", id)?.content;
    if (!(content instanceof Uint8Array)) throw new Error(`the body of ${id} is missing`);
    return content;
  }

  /** Stores what an attempt found. Gives back whether nobody works on the item any more, and whether it is gone. */
  settle(change: { id: string; at: number; settlements: readonly Settlement[] }): {
    idle: boolean;
    gone?: true;
  } {
    const { id, at, settlements } = change;
    const seqs = settlements.map(({ seq }) => seq);
    // What ends now is forgotten by the same commit: nothing of it needs to be written before.
    if (settlements.every(isEnd) && this.#isRest(id, seqs)) {
      this.#forget(id);
      return { idle: true, gone: true };
    }
    for (const settlement of settlements) writeSettlement(this.#sql, { id, at, settlement });
    return this.release({ id, seqs });
  }

  /** Gives claimed recipients back unchanged. */
  release({ id, seqs }: { id: string; seqs: readonly number[] }): { idle: boolean } {
    this.#claims.giveBack({ item: id, seqs });
    this.#forgetIfDone(id);
    return { idle: !this.#claims.has(id) };
  }

  /** Items of which the sender is to be told something; one item, or all (at start), some at a time. */
  unreported(query: UnreportedQuery): UnreportedItems {
    return giveUnreported(this.#outgoing(), query);
  }

  /** Marks recipients as reported and queues the report, both or neither; not of an item that is gone. */
  report(change: { id: string; told: readonly Told[]; dsn?: NewItem }): { queued: boolean } {
    let told = 0;
    for (const { seq, owed } of change.told) told += this.#sql.run(QUERIES.told, change.id, seq, owed);
    const dsn = told > 0 ? change.dsn : undefined;
    if (dsn !== undefined) this.enqueue(dsn);
    this.#forgetIfDone(change.id);
    return { queued: dsn !== undefined };
  }

  /** Makes what waits for a destination due: it takes mail again. Not all at once; gives whether there is more. */
  hasten({ destination, at }: { destination: string; at: number }): boolean {
    return this.#sql.run(QUERIES.hasten, at, destination, at, HASTENED_AT_ONCE) === HASTENED_AT_ONCE;
  }

  /** When the next unclaimed recipient is due. */
  nextDue(except: readonly string[]): number | undefined {
    return this.#claims.next(except);
  }

  /** Items in the queue, and set aside. */
  counts(): { items: number; unreadable: number } {
    const row = this.#sql.get(
      "SELECT items, (SELECT count(DISTINCT id) FROM unreadable) AS unreadable FROM total",
    );
    return { items: Number(row?.items), unreadable: Number(row?.unreadable) };
  }

  /** Everything that is known of one item but its body; throws when it can't be read. */
  show(id: string): ItemView | undefined {
    return readItem(this.#sql, id);
  }

  /** Items by state. */
  census(): Census {
    return { ...this.counts(), ...this.#desk.census() };
  }

  /** Items, the oldest ahead, and what was set aside. */
  list(query: ListQuery): { items: ItemView[]; setAside: Aside[] } {
    return this.#desk.list(query);
  }

  /** Those of the ids that were set aside. */
  asides(ids: readonly string[]): Aside[] {
    return ids.flatMap((id) => this.#asides.of(id));
  }

  /** What a person does with an item. */
  manage(request: ManageRequest): Managed {
    return this.#desk.manage(request);
  }

  /** Makes what waits due, destination by destination; not all at once. */
  flush({ at, from = "" }: { at: number; from?: string }): Flushed {
    return this.#desk.flush({ at, from, limit: HASTENED_AT_ONCE });
  }

  /**
   * Moves an item, or some of its recipients, out of the way of the others, with everything that can still be read of it.
   * Recipients that are named are those of the attempt that asks, which ends for them.
   */
  setAside(what: ToSetAside): SetAside | undefined {
    const own = { item: what.id, seqs: what.seqs?.map(Number) ?? [] };
    this.#claims.giveBack(own);
    const aside = this.#asides.put(what);
    if (aside?.stays) this.#claims.leaveOut(own);
    return aside;
  }

  close(): void {
    this.#transactions.close();
    this.#db.close();
  }

  #outgoing(): OutgoingParts {
    return { sql: this.#sql, claims: this.#claims, asides: this.#asides };
  }

  /** Whether nothing is left to do of an item but with these recipients. */
  #isRest(id: string, seqs: readonly number[]): boolean {
    return this.#sql.all(QUERIES.open, id).every(({ seq }) => seqs.includes(seqOf(seq)));
  }

  #forgetIfDone(id: string): void {
    if (this.#sql.get(QUERIES.isOpen, id) === undefined) this.#forget(id);
  }

  #forget(id: string): void {
    this.#sql.run(QUERIES.forget, id);
    this.#claims.forget(id);
    this.#sql.run("DELETE FROM history WHERE item = ?", id);
    this.#sql.run(QUERIES.forgetBody, id);
    this.#sql.run("DELETE FROM item WHERE id = ?", id);
  }
}

const json = (value: unknown): string => JSON.stringify(value);
const optionalJson = (value: unknown): string | null => (value === undefined ? null : json(value));
