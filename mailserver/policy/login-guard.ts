/**
 * Slows down guessing of passwords: every failure costs the client more time, and many lock it out for a while.
 * Counted per client, per account at that client, and per account wherever it is tried from. The last locks strangers
 * out alone: who logged in to the account from a network before still can from there, so that nobody locks a person out
 * of their own account.
 */
import { clientNetwork } from "./client-network.ts";

export interface LoginGuardOptions {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Each failure so far holds the answer back by this much. */
  readonly stepMs?: number;
}

export interface LoginGuard {
  /**
   * Begins a login; undefined when the client is locked out and no password is looked at. Waits while so many are
   * under way that, should they all fail, this one would be too many: guesses side by side are counted as well.
   */
  begin(account: string, client: string): Promise<LoginAttempt | undefined>;
}

/** One look at a password. Exactly one of its methods must be called. */
export interface LoginAttempt {
  /** Counts a failure; how long its answer is held back, in milliseconds. */
  failed(): number;
  succeeded(): void;
  /** The password could not be checked. */
  abandoned(): void;
}

const ACCOUNT_FAILURES = 5;
const CLIENT_FAILURES = 20;
/** Of one account, from everywhere: no person mistypes so often, but many machines guess together. */
const ANYWHERE_FAILURES = 50;
const LOCK_MS = 300_000;
const LONGEST_DELAY_MS = 5_000;
/** Counters kept at most; the oldest go first. */
const MAX_COUNTERS = 10_000;
/** No login is longer (RFC 5321 section 4.5.3.1: 64 + 1 + 255); what is, must not fill the memory. */
const MAX_ACCOUNT = 320;

interface Counter {
  failures: number;
  /** Forgotten, and unlocked, after this. */
  until: number;
}

/** Failures by key, forgotten after a while. */
class Failures {
  readonly #now: () => number;
  readonly #counters = new Map<string, Counter>();

  constructor(now: () => number) {
    this.#now = now;
  }

  read(key: string): number {
    const counter = this.#counters.get(key);
    return counter === undefined || counter.until <= this.#now() ? 0 : counter.failures;
  }

  count(key: string): number {
    const failures = this.read(key) + 1;
    this.#counters.delete(key);
    this.#counters.set(key, { failures, until: this.#now() + LOCK_MS });
    const oldest = this.#counters.keys().next();
    if (this.#counters.size > MAX_COUNTERS && oldest.done === false) this.#counters.delete(oldest.value);
    return failures;
  }

  forget(key: string): void {
    this.#counters.delete(key);
  }
}

/** From which networks which accounts were logged in to; those not used for longest are forgotten. */
class Homes {
  readonly #known = new Set<string>();

  has(key: string): boolean {
    return this.#known.has(key);
  }

  add(key: string): void {
    this.#known.delete(key);
    this.#known.add(key);
    const oldest = this.#known.values().next();
    if (this.#known.size > MAX_COUNTERS && oldest.done === false) this.#known.delete(oldest.value);
  }
}

export function createLoginGuard({ now, stepMs = 500 }: LoginGuardOptions): LoginGuard {
  const failures = new Failures(now);
  const homes = new Homes();
  const underWay = new Map<string, number>();
  let ended = Promise.withResolvers<void>();

  function move(keys: readonly string[], by: 1 | -1): void {
    for (const key of keys) {
      const count = (underWay.get(key) ?? 0) + by;
      if (count > 0) underWay.set(key, count);
      else underWay.delete(key);
    }
  }

  function end(keys: readonly string[]): void {
    move(keys, -1);
    ended.resolve();
    ended = Promise.withResolvers();
  }

  return {
    async begin(account, client) {
      const network = clientNetwork(client);
      const name = account.toLowerCase().slice(0, MAX_ACCOUNT);
      const ofAccount = JSON.stringify([network, name]);
      const anywhere = JSON.stringify([name]);
      const limits: [string, number][] = [
        [ofAccount, ACCOUNT_FAILURES],
        [network, CLIENT_FAILURES],
        ...(homes.has(ofAccount) ? [] : [[anywhere, ANYWHERE_FAILURES] satisfies [string, number]]),
      ];
      const keys = limits.map(([key]) => key);
      const reached = (more: (key: string) => number) =>
        limits.some(([key, limit]) => failures.read(key) + more(key) >= limit);
      const locked = () => reached(() => 0);
      const busy = () => reached((key) => underWay.get(key) ?? 0);
      while (!locked() && busy()) await ended.promise;
      if (locked()) return undefined;
      move(keys, 1);
      return {
        failed() {
          failures.count(network);
          failures.count(anywhere);
          const count = failures.count(ofAccount);
          end(keys);
          return Math.min(count * stepMs, LONGEST_DELAY_MS);
        },
        succeeded() {
          failures.forget(ofAccount);
          homes.add(ofAccount);
          end(keys);
        },
        abandoned: () => end(keys),
      };
    },
  };
}
