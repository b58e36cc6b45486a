/** What people do with the queue: they look, hold, release, hasten and drop. One step of a transaction each. */
import type { ItemView } from "./item.ts";
import { QUERIES } from "./queries.ts";
import { readSummary } from "./rows.ts";
import type { SqlRow, Statements } from "./statements.ts";

export interface ListQuery {
  /** All of them, or those of which somebody is held, or was tried in vain. */
  readonly state?: "held" | "deferred" | undefined;
  /** Items at most. */
  readonly limit: number;
}

export interface ManageRequest {
  readonly verb: "retry" | "hold" | "release" | "drop";
  readonly id: string;
  readonly at: number;
}

/** `found`: there is such an item. */
export interface Managed {
  readonly found: boolean;
  /** Recipients whose state or time changed. */
  readonly recipients: number;
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

/** An item that was set aside. */
export interface Aside {
  readonly id: string;
  readonly at: number;
  readonly cause: string;
}

export class Desk {
  readonly #sql: Statements;
  readonly #forget: (id: string) => void;

  constructor(sql: Statements, forget: (id: string) => void) {
    this.#sql = sql;
    this.#forget = forget;
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
    const aside = "SELECT id, at, cause FROM unreadable ORDER BY at LIMIT ?";
    return {
      items: items.sort((a, b) => a.created - b.created),
      setAside: state === undefined ? this.#sql.all(aside, limit).map(toAside) : [],
    };
  }

  /** Those of the ids that were set aside. */
  asides(ids: readonly string[]): Aside[] {
    const query = "SELECT id, at, cause FROM unreadable WHERE id = ?";
    return ids.flatMap((id) => this.#sql.all(query, id).map(toAside));
  }

  manage({ verb, id, at }: ManageRequest): Managed {
    if (verb === "drop") return this.#drop(id);
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
    const aside = this.#sql.run("DELETE FROM unreadable WHERE id = ?", id);
    const found = this.#sql.get("SELECT 1 FROM item WHERE id = ?", id) !== undefined;
    const row = this.#sql.get("SELECT count(*) AS n FROM recipient WHERE item = ?", id);
    if (found) this.#forget(id);
    return { found: found || aside > 0, recipients: Number(row?.n) };
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

const toAside = ({ id, at, cause }: SqlRow): Aside => ({
  ...{ id: String(id), at: Number(at), cause: String(cause) },
});
