/** What is asked or done once for all the record sets of an update rather than once for each. */

/** Keeps what was loaded under a key for a while. */
export interface Listings {
  remember<T>(key: string, load: () => Promise<T>): Promise<T>;
  /** What was loaded is no more so. */
  forget(key: string): void;
}

/** An update of a hundred record sets takes no longer; the next one asks anew. */
const LIFETIME_MS = 15_000;

/** `now` in milliseconds. A load that fails is not kept. */
export function createListings(now: () => number): Listings {
  const kept = new Map<string, { readonly at: number; readonly value: Promise<unknown> }>();
  return {
    remember: <T>(key: string, load: () => Promise<T>): Promise<T> => {
      const known = kept.get(key);
      if (known !== undefined && now() - known.at < LIFETIME_MS) return known.value as Promise<T>;
      const value = load();
      kept.set(key, { at: now(), value });
      value.catch(() => kept.delete(key));
      return value;
    },
    forget: (key) => void kept.delete(key),
  };
}

/** Does a thing once per key; all who ask wait for it. One that fails is done again for the next. */
export type Once = <T>(key: string, work: () => Promise<T>) => Promise<T>;

/** Makes one, for the life of a process: Pulumi starts a provider anew for each update. */
export function createOnce(): Once {
  const done = new Map<string, Promise<unknown>>();
  return <T>(key: string, work: () => Promise<T>): Promise<T> => {
    const known = done.get(key);
    if (known !== undefined) return known as Promise<T>;
    const working = work();
    done.set(key, working);
    working.catch(() => done.delete(key));
    return working;
  };
}
