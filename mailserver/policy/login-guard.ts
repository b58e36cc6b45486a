/**
 * Slows down guessing of passwords: every failure costs the client more time, and many lock it out for a while.
 * Counted per client and per account at that client, so that a stranger can't lock a person out of their own
 * account from elsewhere.
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

export function createLoginGuard({ now, stepMs = 500 }: LoginGuardOptions): LoginGuard {
  const failures = new Failures(now);
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
      const ofAccount = JSON.stringify([network, account.toLowerCase().slice(0, MAX_ACCOUNT)]);
      const keys = [ofAccount, network];
      const reach = (key: string, limit: number, more: number) => failures.read(key) + more >= limit;
      const locked = () => reach(ofAccount, ACCOUNT_FAILURES, 0) || reach(network, CLIENT_FAILURES, 0);
      const busy = () =>
        reach(ofAccount, ACCOUNT_FAILURES, underWay.get(ofAccount) ?? 0) ||
        reach(network, CLIENT_FAILURES, underWay.get(network) ?? 0);
      while (!locked() && busy()) await ended.promise;
      if (locked()) return undefined;
      move(keys, 1);
      return {
        failed() {
          failures.count(network);
          const count = failures.count(ofAccount);
          end(keys);
          return Math.min(count * stepMs, LONGEST_DELAY_MS);
        },
        succeeded() {
          failures.forget(ofAccount);
          end(keys);
        },
        abandoned: () => end(keys),
      };
    },
  };
}
