/** When the next snapshots are due. Pure. */
import { z } from "zod";

/** What is known of the last time that everybody was to be saved. Times in milliseconds since 1970. */
export const Run = z.strictObject({
  startedAt: z.int(),
  endedAt: z.int(),
  /** Mailboxes, and what else, that could not be saved. */
  failed: z.array(z.string()),
  /** End of the last run in which nothing failed. */
  savedAt: z.int().optional(),
});
export type Run = z.infer<typeof Run>;

/** What failed is tried again after this time, or at the next time of day when that is sooner. */
export const RETRY_MS = 30 * 60_000;
const DAY_MS = 24 * 60 * 60_000;

/**
 * When to begin: at the first of the times of day (`02:30`, UTC) since the last run began. That may be over, as when the
 * host was off then; without a run there ever was, it is now. A run that is to begin only later was by a clock that was ahead
 * then, and counts as none: nothing would be saved until that time.
 */
export function nextRun(times: readonly string[], last: Run | undefined, now: number): number {
  if (last === undefined || last.startedAt > now) return now;
  const due = times.map((time) => firstAfter(time, last.startedAt));
  if (last.failed.length > 0) due.push(last.endedAt + RETRY_MS);
  return Math.min(...due);
}

function firstAfter(time: string, moment: number): number {
  const [hours = 0, minutes = 0] = time.split(":").map(Number);
  const today = moment - (moment % DAY_MS) + (hours * 60 + minutes) * 60_000;
  return today > moment ? today : today + DAY_MS;
}
