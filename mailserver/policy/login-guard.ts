/**
 * Slows down guessing of passwords: every failure costs the client more time, and many lock it out for a while.
 * Counted per client address and per account at that address, so that a stranger can't lock a person out of
 * their own account from elsewhere.
 */

export interface LoginGuardOptions {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Each failure so far holds the answer back by this much. */
  readonly stepMs?: number;
}

/** What is to be done with a login. */
export interface LoginGuard {
  /** No password is looked at while this is true. */
  locked(account: string, client: string): boolean;
  /** Counts a failure; how long its answer is held back. */
  failed(account: string, client: string): number;
  succeeded(account: string, client: string): void;
}

const ACCOUNT_FAILURES = 5;
const CLIENT_FAILURES = 20;
const LOCK_MS = 300_000;
const LONGEST_DELAY_MS = 5_000;
/** Counters kept at most; the oldest go first. */
const MAX_COUNTERS = 10_000;

interface Counter {
  failures: number;
  /** Forgotten, and unlocked, after this. */
  until: number;
}

export function createLoginGuard({ now, stepMs = 500 }: LoginGuardOptions): LoginGuard {
  const counters = new Map<string, Counter>();
  const accountKey = (account: string, client: string) => JSON.stringify([client, account.toLowerCase()]);

  function read(key: string): number {
    const counter = counters.get(key);
    return counter === undefined || counter.until <= now() ? 0 : counter.failures;
  }

  function count(key: string): number {
    const failures = read(key) + 1;
    counters.delete(key);
    counters.set(key, { failures, until: now() + LOCK_MS });
    const oldest = counters.keys().next();
    if (counters.size > MAX_COUNTERS && oldest.done === false) counters.delete(oldest.value);
    return failures;
  }

  return {
    locked: (account, client) =>
      read(accountKey(account, client)) >= ACCOUNT_FAILURES || read(client) >= CLIENT_FAILURES,
    failed(account, client) {
      count(client);
      return Math.min(count(accountKey(account, client)) * stepMs, LONGEST_DELAY_MS);
    },
    succeeded(account, client) {
      counters.delete(accountKey(account, client));
    },
  };
}
