/** Whether who signed in is still somebody: a session must not outlive its person, nor come to another of that name. */
import type { Accounts, Holder } from "../directory/directory.ts";

export interface PresenceDeps {
  readonly directory: Pick<Accounts, "whoIs">;
  /** Milliseconds; only differences mean something. */
  readonly now: () => number;
}

/** Throws DirectoryUnavailable when that can't be known. */
export type Presence = (holder: Holder) => Promise<boolean>;

/** How long an answer holds. A person who was taken out has their pages for so long at most. */
const FRESH_MS = 30_000;
/** People that are remembered, the oldest going first. */
const MOST = 10_000;

interface Known {
  readonly asked: number;
  readonly there: Promise<boolean>;
}

/** Asks the directory once in thirty seconds for each person; that it can't be asked is never remembered. */
export function createPresence({ directory, now }: PresenceDeps): Presence {
  const known = new Map<string, Known>();
  const ask = ({ uid, entry }: Holder, key: string): Promise<boolean> => {
    const there = directory.whoIs(uid).then((found) => found?.uid === uid && found.entry === entry);
    const answer = { asked: now(), there };
    known.delete(key);
    known.set(key, answer);
    const [oldest] = known.keys();
    if (known.size > MOST && oldest !== undefined) known.delete(oldest);
    there.catch(() => {
      if (known.get(key) === answer) known.delete(key);
    });
    return there;
  };
  return (holder) => {
    const key = JSON.stringify([holder.uid, holder.entry]);
    const last = known.get(key);
    return last !== undefined && now() < last.asked + FRESH_MS ? last.there : ask(holder, key);
  };
}
