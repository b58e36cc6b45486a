/** Who is signed in. Kept in memory, known by the hash of what the cookie says: a dump of it signs nobody in. */
import { createHash } from "node:crypto";
import type { Holder } from "../directory/directory.ts";

export interface SessionLimits {
  readonly idleMs: number;
  readonly absoluteMs: number;
  readonly rotateMs: number;
}

export interface SessionDeps {
  /** Milliseconds; only differences mean something. */
  readonly now: () => number;
  /** An unguessable text; another one at each call. */
  readonly newToken: () => string;
  readonly limits: SessionLimits;
}

/** A person's session as a page sees it. */
export interface Session extends Holder {
  /** Every form carries it. */
  readonly csrf: string;
}

interface Kept extends Session {
  readonly started: number;
  seen: number;
  /** Hash of the cookie's value, since when, whether it came back, and the one before, which pages under way may still send. */
  current: string;
  since: number;
  arrived: boolean;
  previous: { readonly hash: string; readonly until: number } | undefined;
  /** The current value before, when that had not come back: its answer may be the one that the browser gets last. */
  unseen: string | undefined;
}

/** What a request's cookie is worth; `renewed`: the cookie's next value. */
export interface Found {
  readonly session: Session;
  readonly renewed: string | undefined;
}

const GRACE_MS = 30_000;
/** Sessions of all people, and of one; the oldest go first. */
const MAX_SESSIONS = 10_000;
const MAX_PER_PERSON = 20;

export class Sessions {
  readonly #deps: SessionDeps;
  /** By the hash of each value that is good; in the order in which they began. */
  readonly #byHash = new Map<string, Kept>();
  readonly #all = new Set<Kept>();

  constructor(deps: SessionDeps) {
    this.#deps = deps;
  }

  get size(): number {
    return this.#all.size;
  }

  /** A new session with a value of its own, whatever cookie the browser had (no fixation). */
  begin({ uid, entry }: Holder): { readonly session: Session; readonly token: string } {
    this.#forgetEnded();
    const { now, newToken } = this.#deps;
    const token = newToken();
    const at = now();
    const kept: Kept = {
      ...{ uid, entry, csrf: newToken(), started: at, seen: at },
      ...{ current: hash(token), since: at, arrived: false, previous: undefined, unseen: undefined },
    };
    this.#all.add(kept);
    this.#byHash.set(kept.current, kept);
    this.#evict(this.#of(uid), MAX_PER_PERSON);
    this.#evict([...this.#all], MAX_SESSIONS);
    return { session: kept, token };
  }

  /** The session of a cookie, which this counts as a use of; undefined when it is over or never was. */
  find(token: string): Found | undefined {
    const known = hash(token);
    const kept = this.#byHash.get(known);
    if (kept === undefined) return undefined;
    const at = this.#deps.now();
    if (this.#isOver(kept, at)) {
      this.#drop(kept);
      return undefined;
    }
    if (known === kept.current || known === kept.unseen) this.#settle(kept, known);
    const late = known !== kept.current && at >= (kept.previous?.until ?? 0);
    if (late && kept.arrived) return undefined;
    kept.seen = at;
    // The next value may have been lost with its page, as when the directory didn't answer: then there is another one.
    const due = late || (known === kept.current && at - kept.since >= this.#deps.limits.rotateMs);
    return { session: kept, renewed: due ? this.#rotate(kept, known) : undefined };
  }

  /** Of two values that were given out, the one that came back is the current one, and the other ends. */
  #settle(kept: Kept, known: string): void {
    for (const each of [kept.current, kept.unseen])
      if (each !== undefined && each !== known) this.#byHash.delete(each);
    kept.current = known;
    kept.unseen = undefined;
    kept.arrived = true;
  }

  end(session: Session): void {
    for (const kept of this.#all) if (kept === session) this.#drop(kept);
  }

  /** Ends the person's other sessions; how many there were. */
  endOthers(session: Session): number {
    const others = this.#of(session.uid).filter((kept) => kept !== session);
    for (const kept of others) this.#drop(kept);
    return others.length;
  }

  /** A value after the one that was shown; all others end, but one that nobody has shown yet. */
  #rotate(kept: Kept, shown: string): string {
    const token = this.#deps.newToken();
    const at = this.#deps.now();
    const unseen = shown === kept.current ? undefined : kept.current;
    for (const old of [kept.current, kept.previous?.hash, kept.unseen])
      if (old !== undefined && old !== shown && old !== unseen) this.#byHash.delete(old);
    kept.unseen = unseen;
    kept.previous = { hash: shown, until: at + GRACE_MS };
    kept.current = hash(token);
    kept.since = at;
    kept.arrived = false;
    this.#byHash.set(kept.current, kept);
    return token;
  }

  #of(uid: string): Kept[] {
    return [...this.#all].filter((kept) => kept.uid === uid);
  }

  #evict(oldestFirst: readonly Kept[], limit: number): void {
    for (const kept of oldestFirst.slice(0, Math.max(oldestFirst.length - limit, 0))) this.#drop(kept);
  }

  #forgetEnded(): void {
    const at = this.#deps.now();
    for (const kept of this.#all) if (this.#isOver(kept, at)) this.#drop(kept);
  }

  #isOver({ seen, started }: Kept, at: number): boolean {
    const { idleMs, absoluteMs } = this.#deps.limits;
    return at - seen >= idleMs || at - started >= absoluteMs;
  }

  #drop(kept: Kept): void {
    this.#all.delete(kept);
    this.#byHash.delete(kept.current);
    for (const other of [kept.previous?.hash, kept.unseen])
      if (other !== undefined) this.#byHash.delete(other);
  }
}

const hash = (token: string): string => createHash("sha256").update(token).digest("hex");
