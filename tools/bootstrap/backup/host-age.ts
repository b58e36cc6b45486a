/** What a snapshot is worth on a host that was just made. Pure. */

/** Whoever restores a host that was lost has this long, before what is saved of the new one takes the place of that. */
const NEW_MS = 7 * 24 * 60 * 60_000;

/** Arguments for a job that saves: nothing is let go while mail of before may still have to be put back. */
export function keeping(made: Date | undefined, now: Date): string[] {
  return made !== undefined && now.getTime() - made.getTime() < NEW_MS ? ["--keep-all"] : [];
}
