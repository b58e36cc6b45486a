/**
 * Answers about recipients are kept for a moment: a busy mailbox costs one question in five seconds, and a change in
 * the directory is known within that time. A new person can receive after one second.
 */
import type { RecipientAnswer, ResolveRecipient } from "../policy/recipient.ts";

export interface CacheOptions {
  /** Milliseconds; only differences mean something. */
  readonly now: () => number;
  readonly presentMs?: number;
  readonly absentMs?: number;
  /** Addresses that are kept at most, so that guessed ones can't fill the memory. */
  readonly entries?: number;
}

const PRESENT_MS = 5_000;
const ABSENT_MS = 1_000;
const ENTRIES = 10_000;

interface Entry {
  readonly answer: Promise<RecipientAnswer>;
  /** From when the question was put: an answer is never older than it says. */
  readonly asked: number;
  /** How long it holds; while the answer is under way those who ask the same wait for it. */
  lifeMs: number;
}

/** `resolve` with a memory. That the directory can't be asked is never remembered. */
export function cacheRecipients(resolve: ResolveRecipient, options: CacheOptions): ResolveRecipient {
  const { now, presentMs = PRESENT_MS, absentMs = ABSENT_MS, entries = ENTRIES } = options;
  const known = new Map<string, Entry>();

  function ask(address: string): Promise<RecipientAnswer> {
    const entry: Entry = { answer: resolve(address), asked: now(), lifeMs: Math.min(presentMs, absentMs) };
    known.delete(address);
    known.set(address, entry);
    const [oldest] = known.keys();
    if (known.size > entries && oldest !== undefined) known.delete(oldest);
    entry.answer.then(
      ({ kind }) => {
        entry.lifeMs = kind === "absent" ? absentMs : presentMs;
      },
      () => {
        if (known.get(address) === entry) known.delete(address);
      },
    );
    return entry.answer;
  }

  return (address) => {
    const entry = known.get(address);
    return entry !== undefined && now() < entry.asked + entry.lifeMs ? entry.answer : ask(address);
  };
}
