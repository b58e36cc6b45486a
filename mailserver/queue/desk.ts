/** What people do with the queue: they look, hold, release, hasten and drop. One step of a transaction each. */
import type { Aside, Asides } from "./aside.ts";
import type { ItemView } from "./item.ts";
import { QUERIES } from "./queries.ts";
import { readSummary } from "./rows.ts";
import type { Statements } from "./statements.ts";

export interface ListQuery {
  /** All of them, or those of which somebody is held, or was tried in vain. */
  readonly state?: "held" | "deferred" | undefined;
  /** Items at most. */
  readonly limit: number;
}

export interface ManageRequest {
  readonly verb: "retry" | "hold" | "release" | "drop" | "restore";
  readonly id: string;
  readonly at: number;
}

/** `found`: there is such an item; for `restore`, one that was set aside. */
export interface Managed {
  readonly found: boolean;
  /** Recipients whose state or time changed. */
  readonly recipients: number;
  /** What of an item can't be read, so that it was not restored. */
  readonly unreadable?: readonly string[];
}

/** `next`: from which destination on there is more to do. */
export interface Flushed {
  readonly recipients: number;
  readonly next: string | undefined;
}

/** Items by state; one may be counted as held and as deferred. */
export interface Census {
  readonly items: number;
  readonly held: number;
  readonly deferred: number;
  readonly unreadable: number;
  /** When the oldest was taken; absent when there is none. */
  readonly oldest?: number;
}

/** Destinations that one step of a flush looks at. */
const DESTINATIONS_AT_ONCE = 100;

export class Desk {
  readonly #sql: Statements;
  readonly #asides: Asides;
  readonly #forget: (id: string) => void;

  constructor(sql: Statements, deps: { readonly asides: Asides; readonly forget: (id: string) => void }) {
    this.#sql = sql;
    this.#asides = deps.asides;
    this.#forget = deps.forget;
  }

  census(): Pick<Census, "held" | "deferred" | "oldest"> {
    const row = this.#sql.get(QUERIES.census);
    const oldest = row?.oldest;
    return {
      ...{ held: Number(row?.held), deferred: Number(row?.deferred) },
      ...(typeof oldest === "number" && { oldest }),
    };
  }

  list({ state, limit }: ListQuery): { items: ItemView[]; setAside: Aside[] } {
    const ids = this.#sql.all(state === undefined ? QUERIES.oldest : QUERIES[state], limit);
    const items = ids.flatMap(({ id }) => this.#readable(String(id)) ?? []);
    return {
      items: items.sort((a, b) => a.created - b.created),
      setAside: state === undefined ? this.#asides.list(limit) : [],
    };
  }

  manage({ verb, id, at }: ManageRequest): Managed {
    if (verb === "drop") return this.#drop(id);
    if (verb === "restore") return this.#asides.restore(id, at);
    const found = this.#sql.get("SELECT 1 FROM item WHERE id = ?", id) !== undefined;
    if (verb === "hold") return { found, recipients: this.#sql.run(QUERIES.hold, id) };
    return { found, recipients: this.#sql.run(verb === "retry" ? QUERIES.retry : QUERIES.unhold, at, id) };
  }

  flush({ at, from, limit }: { at: number; from: string; limit: number }): Flushed {
    const names = this.#sql.all(QUERIES.destinationsFrom, from, DESTINATIONS_AT_ONCE + 1);
    let recipients = 0;
    for (const { name } of names.slice(0, DESTINATIONS_AT_ONCE)) {
      recipients += this.#sql.run(QUERIES.hasten, at, String(name), at, limit - recipients);
      if (recipients >= limit) return { recipients, next: String(name) };
    }
    const beyond = names[DESTINATIONS_AT_ONCE];
    return { recipients, next: beyond === undefined ? undefined : String(beyond.name) };
  }

  /** With what was set aside under that name: nothing else would ever take it out. */
  #drop(id: string): Managed {
    const aside = this.#asides.drop(id);
    const found = this.#sql.get("SELECT 1 FROM item WHERE id = ?", id) !== undefined;
    const row = this.#sql.get("SELECT count(*) AS n FROM recipient WHERE item = ?", id);
    if (found) this.#forget(id);
    return { found: found || aside, recipients: Number(row?.n) };
  }

  /** What can't be read is for whoever claims it to set aside. */
  #readable(id: string): ItemView | undefined {
    try {
      const summary = readSummary(this.#sql, id);
      return summary && { ...summary, history: [] };
    } catch {
      return undefined;
    }
  }
}
