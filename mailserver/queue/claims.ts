/** Who is given out for an attempt: what is due, destination by destination. One step of a transaction each. */
import { QUERIES } from "./queries.ts";
import { IS_SEQ, seqOf } from "./seq.ts";
import type { Statements } from "./statements.ts";

export interface ClaimQuery {
  readonly now: number;
  /** Recipients at most. */
  readonly limit: number;
  /** Destinations that are busy enough. */
  readonly except: readonly string[];
}

/** Recipients of one item, by their `seq`; NaN is all those whose place can't be read. */
export interface Claim {
  readonly item: string;
  readonly seqs: readonly number[];
}

/** Items and recipients of one destination in one claim: a long line at one must leave room for all others. */
const ITEMS_EACH = 20;
const RECIPIENTS_EACH = 100;

export class Claims {
  readonly #sql: Statements;

  constructor(sql: Statements) {
    this.#sql = sql;
  }

  /** What may be claimed. */
  due({ now, limit, except }: ClaimQuery): Claim[] {
    const left = new Set(except);
    const found: { item: string; seq: number }[] = [];
    for (const { name } of this.#sql.iterate(QUERIES.dueDestinations, now)) {
      if (found.length >= limit) break;
      // At most those that are being delivered to: their number has a bound, however long the queue.
      if (left.has(String(name))) continue;
      found.push(...this.#dueFor(String(name), now, Math.min(limit - found.length, RECIPIENTS_EACH)));
    }
    return [...Map.groupBy(found, ({ item }) => item)].map(([item, rows]) => ({
      item,
      seqs: rows.map(({ seq }) => seq),
    }));
  }

  #dueFor(destination: string, now: number, limit: number): { item: string; seq: number }[] {
    const found: { item: string; seq: number }[] = [];
    const items = new Set<string>();
    for (const row of this.#sql.iterate(QUERIES.due, destination, now)) {
      const item = String(row.item);
      items.add(item);
      if (items.size > ITEMS_EACH || found.length >= limit) break;
      found.push({ item, seq: seqOf(row.seq) });
    }
    return found;
  }

  /** When the next that is not claimed is due. */
  next(except: readonly string[]): number | undefined {
    const left = new Set(except);
    let first: number | undefined;
    for (const { name, next_attempt } of this.#sql.iterate(QUERIES.destinations)) {
      if (first !== undefined && Number(next_attempt) >= first) break;
      if (left.has(String(name))) continue;
      // Later than `next_attempt` when the earliest are claimed.
      const row = this.#sql.get(QUERIES.next, String(name));
      if (row !== undefined) first = Math.min(first ?? Number.POSITIVE_INFINITY, Number(row.next_attempt));
    }
    return first;
  }

  take({ item, seqs }: Claim): void {
    for (const seq of seqs) this.#sql.run("INSERT INTO claimed (item, seq) VALUES (?, ?)", item, seq);
  }

  /** Until the next start: who can't be read, nor set aside, would be given out for ever. */
  leaveOut({ item, seqs }: Claim): void {
    const leave = "INSERT OR REPLACE INTO claimed (item, seq, left_out)";
    for (const seq of seqs) {
      if (Number.isNaN(seq))
        this.#sql.run(`${leave} SELECT item, seq, 1 FROM recipient WHERE item = ? AND NOT (${IS_SEQ})`, item);
      else this.#sql.run(`${leave} VALUES (?, ?, 1)`, item, seq);
    }
  }

  giveBack({ item, seqs }: Claim): void {
    for (const seq of seqs) {
      this.#sql.run("DELETE FROM claimed WHERE item = ? AND seq = ? AND NOT left_out", item, seq);
    }
  }

  /** Whether somebody works on an item. */
  has(item: string): boolean {
    const working = "SELECT 1 FROM claimed WHERE item = ? AND NOT left_out LIMIT 1";
    return this.#sql.get(working, item) !== undefined;
  }

  /** Who of an item is given out, or left out. */
  of(item: string): number[] {
    return this.#sql.all("SELECT seq FROM claimed WHERE item = ?", item).map(({ seq }) => seqOf(seq));
  }

  forget(item: string): void {
    this.#sql.run("DELETE FROM claimed WHERE item = ?", item);
  }
}
