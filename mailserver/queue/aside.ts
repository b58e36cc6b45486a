/**
 * Items, or single recipients of them, that can't be read: they lie aside, out of the way of the others, with all that is
 * needed to put them back. Their message stays in its table for as long: a copy would find no room on a full disk, and one
 * that can't be read now may be readable once a fault of the disk has passed. One step of a transaction each.
 */
import type { SQLInputValue } from "node:sqlite";
import { isDeepStrictEqual } from "node:util";
import { Claims } from "./claims.ts";
import { faultText, isOfItem, orNothing } from "./fault.ts";
import { type KeptRow, readKept } from "./kept.ts";
import { QUERIES } from "./queries.ts";
import { KEEPING } from "./schema.ts";
import { seqOf } from "./seq.ts";
import type { SqlRow, Statements } from "./statements.ts";

interface Unreadable {
  readonly id: string;
  readonly cause: string;
}

type Stays = "unmoved" | "unread";

/** What could not be read and lies in the table `unreadable` now. */
export interface SetAside extends Unreadable {
  /** It could not be moved there, and is where it was; it may be that the database can't even read it. */
  readonly stays?: Stays;
}

/**
 * An item is left alone from now on. SQLite writes nothing more in a transaction that met a damaged page, so this ends it:
 * whoever runs it again finds the item left out.
 */
export class LeftAlone extends Error {
  override readonly name = "LeftAlone";
}

export interface ToSetAside extends Unreadable {
  readonly at: number;
  /** Only these recipients, as the database names them; absent: the item as a whole. */
  readonly seqs?: readonly SQLInputValue[];
}

/** An item that was set aside. */
export interface Aside extends Unreadable {
  readonly at: number;
}

export interface Restored {
  /** There was something aside under that name. */
  readonly found: boolean;
  /** Recipients that are tried now. */
  readonly recipients: number;
  /** What of it can't be read still; nothing was put back then. */
  readonly unreadable?: readonly string[];
}

export interface AsideDeps {
  /** Takes an item out of the queue; its message stays if something of it lies aside. */
  readonly forget: (id: string) => void;
  /** The same, if nothing is left to do of it. */
  readonly forgetIfDone: (id: string) => void;
}

export class Asides {
  readonly #sql: Statements;
  readonly #claims: Claims;
  readonly #left = new Map<string, SetAside>();
  readonly #deps: AsideDeps;

  constructor(sql: Statements, deps: AsideDeps) {
    this.#sql = sql;
    this.#claims = new Claims(sql);
    this.#deps = deps;
  }

  /**
   * Undefined when there is nothing left of it: somebody dropped it meanwhile. Who is on their way stays, and with them
   * their item: what comes of that is noted, or else a restore would send them the message again. What can't be moved is
   * left alone: nothing is deleted that has not been read.
   */
  put(what: ToSetAside): SetAside | undefined {
    const left = this.leftAlone(what.id);
    if (left !== undefined) return left;
    try {
      return this.#move(what);
    } catch (error) {
      if (!isOfItem(error)) throw error;
      this.leaveAlone(what.id, "unmoved", `${what.cause}; ${faultText(error)}`);
      throw new LeftAlone(what.id);
    }
  }

  /** From now on nobody tries to move an item, nor to read it where the database can't. */
  leaveAlone(id: string, stays: Stays, why: string): void {
    const cause = `it can't be set aside, and is left alone until the next start: ${why}`;
    this.#left.set(id, { id, cause, stays });
  }

  leftAlone(id: string): SetAside | undefined {
    return this.#left.get(id);
  }

  #move({ id, cause, at, seqs }: ToSetAside): SetAside | undefined {
    const claimed = new Set(this.#claims.of(id));
    const whole = seqs === undefined && claimed.size === 0;
    const wanted = ({ seq }: SqlRow): boolean =>
      !claimed.has(seqOf(seq)) && (seqs === undefined || seqs.some((one) => isDeepStrictEqual(one, seq)));
    const recipients = this.#sql.all("SELECT * FROM recipient WHERE item = ?", id).filter(wanted);
    const history = this.#sql.all("SELECT * FROM history WHERE item = ?", id).filter(wanted);
    const item = this.#sql.all("SELECT * FROM item WHERE id = ?", id);
    const found = whole ? [item, recipients, history] : [recipients];
    if (found.every(({ length }) => length === 0)) return undefined;
    for (const sql of KEEPING) this.#sql.run(sql);
    const parts = [item, recipients, history].map((rows) => JSON.stringify(rows));
    this.#sql.run(
      "INSERT INTO unreadable (id, at, cause, item, recipients, history) VALUES (?, ?, ?, ?, ?, ?)",
      ...[id, at, cause, ...parts],
    );
    if (whole) this.#deps.forget(id);
    else this.#takeOut(id, recipients);
    return { id, cause };
  }

  list(limit: number): Aside[] {
    return this.#sql.all("SELECT id, at, cause FROM unreadable ORDER BY at LIMIT ?", limit).map(toAside);
  }

  /** What was set aside under that name. */
  of(id: string): Aside[] {
    return this.#sql.all("SELECT id, at, cause FROM unreadable WHERE id = ?", id).map(toAside);
  }

  /** Whether there was something of that name. */
  drop(id: string): boolean {
    if (this.#sql.run("DELETE FROM unreadable WHERE id = ?", id) === 0) return false;
    if (this.#sql.get("SELECT 1 FROM item WHERE id = ?", id) === undefined)
      this.#sql.run(QUERIES.forgetBody, id);
    return true;
  }

  /** Puts all of it back into the queue, who waits to be tried at once; or nothing. */
  restore(id: string, at: number): Restored {
    const rows = this.#sql.all("SELECT item, recipients, history, body FROM unreadable WHERE id = ?", id);
    if (rows.length === 0) return { found: false, recipients: 0 };
    // A version of before kept a copy of the message beside the rest.
    const kept = rows.map((row) => readKept({ ...row, body: row.body ?? this.#body(id) }));
    const faults = kept.flatMap((each) => ("faults" in each ? each.faults : []));
    if (faults.length > 0) return { found: true, recipients: 0, unreadable: [...new Set(faults)] };
    this.#sql.run("DELETE FROM unreadable WHERE id = ?", id);
    let waiting = 0;
    for (const each of kept) if (!("faults" in each)) waiting += this.#putBack(id, each, at);
    return { found: true, recipients: waiting };
  }

  #putBack(
    id: string,
    { item, recipients, history, body }: Exclude<ReturnType<typeof readKept>, { faults: unknown }>,
    at: number,
  ): number {
    // The others of the item went on meanwhile.
    if (this.#sql.get("SELECT 1 FROM item WHERE id = ?", id) === undefined) {
      this.#insert("item", { ...item, id });
      this.#sql.run("INSERT OR IGNORE INTO body (id, content) VALUES (?, ?)", id, body);
    }
    const isWaiting = ({ state }: KeptRow): boolean => state === "pending";
    for (const row of recipients) {
      this.#insert("recipient", { ...row, item: id, ...(isWaiting(row) && { next_attempt: at }) });
    }
    for (const row of history) this.#insert("history", { ...row, item: id });
    this.#deps.forgetIfDone(id);
    return recipients.filter(isWaiting).length;
  }

  #takeOut(id: string, recipients: readonly SqlRow[]): void {
    for (const { seq } of recipients) {
      for (const table of ["recipient", "history"] as const) {
        this.#sql.run(`DELETE FROM ${table} WHERE item = ? AND seq = ?`, id, seq as SQLInputValue);
      }
    }
    this.#deps.forgetIfDone(id);
  }

  #insert(table: keyof typeof COLUMNS, row: KeptRow): void {
    const columns = COLUMNS[table];
    const places = columns.map(() => "?").join(", ");
    this.#sql.run(
      `INSERT OR REPLACE INTO ${table} (${columns.join(", ")}) VALUES (${places})`,
      ...columns.map((column) => row[column] ?? null),
    );
  }

  /** The message; undefined when it can't be read. */
  #body(id: string): unknown {
    return orNothing(() => this.#sql.get("SELECT content FROM body WHERE id = ?", id)?.content);
  }
}

const COLUMNS = {
  item: ["id", "created", "envelope", "size"],
  recipient: [
    ...["item", "seq", "address", "destination", "state", "attempts", "next_attempt", "answer"],
    ...["originals", "notify", "orcpt", "owed", "delay_told"],
  ],
  history: ["item", "seq", "attempt", "at", "state", "answer"],
} as const;

const toAside = ({ id, at, cause }: SqlRow): Aside => ({
  ...{ id: String(id), at: Number(at), cause: String(cause) },
});
