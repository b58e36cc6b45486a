/** When the next snapshots are due. Pure. */
import { z } from "zod";

/** What is known of the last time that everybody was to be saved. Times in milliseconds since 1970. */
export const Run = z.strictObject({
  startedAt: z.int(),
  /** With what failed being tried again. */
  endedAt: z.int(),
  /** Mailboxes, and what else, that could not be saved. */
  failed: z.array(z.string()),
  /** How often that was tried again. */
  retries: z.int().min(0).default(0),
  /** End of the last run in which nothing failed. */
  savedAt: z.int().optional(),
});
export type Run = z.infer<typeof Run>;

/** A name that no mailbox has: nobody could tell which there are. */
export const EVERYTHING = "everything";

/** What failed is tried again after this time, or at the next time of day when that is sooner; each time after twice as long. */
const RETRY_MS = 30 * 60_000;
const DAY_MS = 24 * 60 * 60_000;

export interface Next {
  readonly at: number;
  /** The last run, where what failed of it is all that is to be saved. */
  readonly retryOf?: Run;
}

/**
 * When to begin: at the first of the times of day (`02:30`, UTC) since the last run began. That may be over, as when the
 * host was off then; without a run there ever was, it is now. A run that is to begin only later was by a clock that was ahead
 * then, and counts as none: nothing would be saved until that time.
 */
export function nextRun(times: readonly string[], last: Run | undefined, now: number): Next {
  if (last === undefined || last.startedAt > now) return { at: now };
  const due = Math.min(...times.map((time) => firstAfter(time, last.startedAt)));
  const retry = last.endedAt + RETRY_MS * 2 ** last.retries;
  return last.failed.length > 0 && retry < due ? { at: retry, retryOf: last } : { at: due };
}

/**
 * Which of these a run saves. One that can't be saved has nobody else saved again and again: whose older snapshots would
 * go for those.
 */
export function toSave(names: readonly string[], retryOf: Run | undefined): readonly string[] {
  if (retryOf === undefined || retryOf.failed.includes(EVERYTHING)) return names;
  return names.filter((name) => retryOf.failed.includes(name));
}

function firstAfter(time: string, moment: number): number {
  const [hours = 0, minutes = 0] = time.split(":").map(Number);
  const today = moment - (moment % DAY_MS) + (hours * 60 + minutes) * 60_000;
  return today > moment ? today : today + DAY_MS;
}
