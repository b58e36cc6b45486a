/** Counts of sessions, gathered in memory and written down together: no message waits for a file. */
import type { SessionNote } from "../policy/tls-report.ts";
import type { TlsReportStore } from "./store.ts";

/** A daemon that is killed loses what came in this time at most. */
const WRITE_MS = 10_000;
/** Kinds of sessions that are held in memory. */
const MAX_KINDS = 500;

interface Kind {
  readonly day: number;
  readonly session: SessionNote;
  count: number;
}

export class SessionCounts {
  readonly #store: Pick<TlsReportStore, "note">;
  readonly #now: () => number;
  #kinds = new Map<string, Kind>();
  #written = Number.NEGATIVE_INFINITY;

  constructor(store: Pick<TlsReportStore, "note">, now: () => number) {
    this.#store = store;
    this.#now = now;
  }

  add(day: number, session: SessionNote): void {
    const { domain, policy, host, address, failure } = session;
    const name = JSON.stringify([day, domain, policy, failure && [host, address, failure]]);
    const kind = this.#kinds.get(name) ?? { day, session, count: 0 };
    kind.count += 1;
    this.#kinds.set(name, kind);
    if (this.#kinds.size >= MAX_KINDS || this.#now() - this.#written >= WRITE_MS) this.write();
  }

  /** Throws when the file can't be written; what was gathered is let go then, since more keeps coming. */
  write(): void {
    const kinds = this.#kinds;
    this.#kinds = new Map();
    this.#written = this.#now();
    for (const { day, session, count } of kinds.values()) this.#store.note(day, session, count);
  }
}
