/** What zones hold, asked once for all the record sets of an update rather than once for each. */

/** Keeps what was loaded under a key for a while. */
export interface Listings {
  remember<T>(key: string, load: () => Promise<T>): Promise<T>;
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
  };
}
