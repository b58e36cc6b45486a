/** SQL statements of one database, each prepared once. */
import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";
import { TransactionUndone } from "./fault.ts";

export type SqlRow = Record<string, unknown>;

export class Statements {
  readonly #db: DatabaseSync;
  readonly #prepared = new Map<string, StatementSync>();
  /** Rows that were changed so far. */
  changes = 0;

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /**
   * Gives how many rows it changed. Nothing else here may change any. Throws TransactionUndone outside a
   * transaction: whoever caught the error that undid it must not write the rest alone.
   */
  run(sql: string, ...values: SQLInputValue[]): number {
    if (!this.#db.isTransaction) throw new TransactionUndone();
    const changes = Number(this.#prepare(sql).run(...values).changes);
    this.changes += changes;
    return changes;
  }

  get(sql: string, ...values: SQLInputValue[]): SqlRow | undefined {
    return this.#prepare(sql).get(...values);
  }

  all(sql: string, ...values: SQLInputValue[]): SqlRow[] {
    return this.#prepare(sql).all(...values);
  }

  /** Row by row, for as long as the caller asks for more. Not twice at a time for the same statement. */
  iterate(sql: string, ...values: SQLInputValue[]): Iterable<SqlRow> {
    return this.#prepare(sql).iterate(...values);
  }

  #prepare(sql: string): StatementSync {
    const known = this.#prepared.get(sql) ?? this.#db.prepare(sql);
    this.#prepared.set(sql, known);
    return known;
  }
}
