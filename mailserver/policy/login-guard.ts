/**
 * Slows down guessing of passwords: every failure costs the client more time, and many lock it out for a while.
 * Counted per client, per name at that client, and per person wherever and by whichever of their names they are tried.
 * The last, and the one per client, lock strangers out alone: who logged in from a network before still can from there, so
 * that nobody locks a person out of their own account, nor a colleague's telephone with an old password all of an office.
 * At one client each name counts by itself, so that a few guesses tell nobody which
 * addresses are one person's.
 */
import { clientNetwork } from "./client-network.ts";

export interface LoginGuardOptions {
  /** Milliseconds; only differences mean something. */
  readonly now: () => number;
  /** Each failure so far holds the answer back by this much. */
  readonly stepMs?: number;
  /** What outlives the process; without it, a restart forgives all. */
  readonly memory?: LoginMemory;
}

/** Failures that are counted under a key, for so many milliseconds more. */
export interface FailureCount {
  readonly key: string;
  readonly failures: number;
  readonly ms: number;
}

/** Keeps what a guard knows. Its methods must not throw: who may log in never hangs on it. */
export interface LoginMemory {
  /** The name under which something is remembered: what a client calls itself may be a mistyped password. */
  seal(key: string): string;
  /** What is known, the oldest first. */
  load(): { readonly failures: readonly FailureCount[]; readonly homes: readonly string[] };
  keepFailures(count: FailureCount): void;
  forgetFailures(key: string): void;
  keepHome(key: string): void;
  forgetHome(key: string): void;
}

export interface LoginGuard {
  /**
   * Begins a login; undefined when the client is locked out and no password is looked at. Waits while so many are
   * under way that, should they all fail, this one would be too many: guesses side by side are counted as well.
   * `account`: as it was typed; `person`: whose it is, where it is somebody's. `wait`: absent, it waits for as long as that
   * takes; undefined, too, when it says that this is too long.
   */
  begin(account: string, client: string, person?: string, wait?: Wait): Promise<LoginAttempt | undefined>;
  /** Counts a failure of which it was not asked before. */
  failed(account: string, client: string, person?: string): void;
}

/** Settles when a login has `ended`, with whether to go on. */
export type Wait = (ended: Promise<void>) => Promise<boolean>;

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
/** Of one person, from everywhere: nobody mistypes so often, but many machines guess together. */
const ANYWHERE_FAILURES = 50;
const LOCK_MS = 300_000;
const LONGEST_DELAY_MS = 5_000;
/** Counters kept at most, and homes; the oldest go first. */
const MAX_COUNTERS = 10_000;
const MAX_RECENT = 1_000;
/** No login is longer (RFC 5321 section 4.5.3.1: 64 + 1 + 255); what is, must not fill the memory. */
const MAX_ACCOUNT = 320;

const NO_MEMORY: LoginMemory = {
  seal: (key) => key,
  load: () => ({ failures: [], homes: [] }),
  ...{ keepFailures: () => {}, forgetFailures: () => {}, keepHome: () => {}, forgetHome: () => {} },
};

interface Counter {
  failures: number;
  /** Forgotten, and unlocked, after this. */
  until: number;
}

/** Failures by key, forgotten after a while. */
class Failures {
  readonly #now: () => number;
  readonly #memory: LoginMemory;
  readonly #counters: Map<string, Counter>;

  constructor(now: () => number, memory: LoginMemory, known: readonly FailureCount[]) {
    this.#now = now;
    this.#memory = memory;
    // A clock that was set back meanwhile locks nobody out for longer.
    this.#counters = new Map(
      known.map(({ key, failures, ms }) => [key, { failures, until: now() + Math.min(ms, LOCK_MS) }]),
    );
  }

  read(key: string): number {
    const counter = this.#counters.get(key);
    return counter === undefined || counter.until <= this.#now() ? 0 : counter.failures;
  }

  count(key: string): number {
    const counter = { failures: this.read(key) + 1, until: this.#now() + LOCK_MS };
    this.#counters.delete(key);
    this.#counters.set(key, counter);
    this.#memory.keepFailures({ key, failures: counter.failures, ms: LOCK_MS });
    const oldest = this.#counters.keys().next();
    if (this.#counters.size > MAX_COUNTERS && oldest.done === false) this.forget(oldest.value);
    return counter.failures;
  }

  forget(key: string): void {
    if (this.#counters.delete(key)) this.#memory.forgetFailures(key);
  }
}

/** From which networks who logged in; those not used for longest are forgotten. */
class Homes {
  readonly #memory: LoginMemory;
  readonly #known: Set<string>;

  constructor(memory: LoginMemory, known: readonly string[]) {
    this.#memory = memory;
    this.#known = new Set(known);
  }

  has(key: string): boolean {
    return this.#known.has(key);
  }

  add(key: string): void {
    this.#known.delete(key);
    this.#known.add(key);
    this.#memory.keepHome(key);
    const oldest = this.#known.values().next();
    if (this.#known.size <= MAX_COUNTERS || oldest.done !== false) return;
    this.#known.delete(oldest.value);
    this.#memory.forgetHome(oldest.value);
  }
}

/** Under which a login is counted. */
interface Keys {
  readonly network: string;
  readonly ofAccount: string;
  readonly home: string;
  readonly anywhere: string;
}

/** Makes the keys of logins; those of who logged in lately are there, as each is a hash. */
class Seals {
  readonly #seal: LoginMemory["seal"];
  /** Only of who was right: what others call themselves may be a mistyped password, and is not kept. */
  readonly #recent = new Map<string, Keys>();

  constructor({ seal }: LoginMemory) {
    this.#seal = seal;
  }

  of(origin: string, name: string, holder: string): Keys {
    return (
      this.#recent.get(JSON.stringify([origin, name, holder])) ?? {
        network: this.#seal(origin),
        ofAccount: this.#seal(JSON.stringify([origin, name])),
        home: this.#seal(JSON.stringify([origin, holder])),
        anywhere: this.#seal(JSON.stringify([holder])),
      }
    );
  }

  keep(origin: string, name: string, holder: string, keys: Keys): void {
    const login = JSON.stringify([origin, name, holder]);
    this.#recent.delete(login);
    this.#recent.set(login, keys);
    const oldest = this.#recent.keys().next();
    if (this.#recent.size > MAX_RECENT && oldest.done === false) this.#recent.delete(oldest.value);
  }
}

const forever: Wait = async (ended) => {
  await ended;
  return true;
};

const plain = (name: string): string => name.trim().toLowerCase().slice(0, MAX_ACCOUNT);

export function createLoginGuard(options: LoginGuardOptions): LoginGuard {
  const { now, stepMs = 500, memory = NO_MEMORY } = options;
  const known = memory.load();
  const failures = new Failures(now, memory, known.failures);
  const homes = new Homes(memory, known.homes);
  const seals = new Seals(memory);
  const underWay = new Map<string, number>();
  let ended = Promise.withResolvers<void>();

  function move(keys: readonly string[], by: 1 | -1): void {
    for (const key of keys) {
      const count = (underWay.get(key) ?? 0) + by;
      if (count > 0) underWay.set(key, count);
      else underWay.delete(key);
    }
  }

  /** How often it failed at that client by that name. */
  function fail({ network, anywhere, ofAccount }: Keys): number {
    failures.count(network);
    failures.count(anywhere);
    return failures.count(ofAccount);
  }

  const sealedOf = (account: string, client: string, person: string) => {
    const [origin, name, holder] = [clientNetwork(client), plain(account), plain(person)] as const;
    return { origin, name, holder, sealed: seals.of(origin, name, holder) };
  };

  function end(keys: readonly string[]): void {
    move(keys, -1);
    ended.resolve();
    ended = Promise.withResolvers();
  }

  return {
    failed: (account, client, person = account) => void fail(sealedOf(account, client, person).sealed),
    async begin(account, client, person = account, wait = forever) {
      const { origin, name, holder, sealed } = sealedOf(account, client, person);
      const { network, ofAccount, home, anywhere } = sealed;
      const strangerLimits: [string, number][] = [
        [network, CLIENT_FAILURES],
        [anywhere, ANYWHERE_FAILURES],
      ];
      const limits: [string, number][] = [
        [ofAccount, ACCOUNT_FAILURES],
        ...(homes.has(home) ? [] : strangerLimits),
      ];
      const keys = limits.map(([key]) => key);
      const reached = (more: (key: string) => number) =>
        limits.some(([key, limit]) => failures.read(key) + more(key) >= limit);
      const locked = () => reached(() => 0);
      const busy = () => reached((key) => underWay.get(key) ?? 0);
      while (!locked() && busy()) if (!(await wait(ended.promise))) return undefined;
      if (locked()) return undefined;
      move(keys, 1);
      return {
        failed() {
          const count = fail(sealed);
          end(keys);
          return Math.min(count * stepMs, LONGEST_DELAY_MS);
        },
        succeeded() {
          failures.forget(ofAccount);
          homes.add(home);
          seals.keep(origin, name, holder, sealed);
          end(keys);
        },
        abandoned: () => end(keys),
      };
    },
  };
}
