/** What a snapshot is worth on a host, or of a volume, that was just made. Pure. */

/** Whoever restores what was lost has this long, before what is saved of the new one takes the place of that. */
export const NEW_MS = 7 * 24 * 60 * 60_000;

/**
 * Arguments for a job that saves: nothing is let go while mail of before may still have to be put back. A host that can't
 * say how old it is may be a new one that isn't well yet.
 */
export function keeping(made: Date | undefined, now: Date): string[] {
  return made === undefined || now.getTime() - made.getTime() < NEW_MS ? ["--keep-all"] : [];
}

/** When the newer of host and volume was made; undefined where the host's age is not known. */
export const later = (host: Date | undefined, volume: Date | undefined): Date | undefined =>
  host !== undefined && volume !== undefined && volume > host ? volume : host;
