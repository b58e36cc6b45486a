/** How many sessions one peer may have at the same time: more while it keeps up, no more than it took. Pure. */

/** `first` to begin with, `most` however well it goes; both at least 1. */
export interface SessionRange {
  readonly first: number;
  readonly most: number;
}

export interface SessionLimit {
  /** Sessions that may be open now. */
  readonly size: number;
  /** That many the peer took when it turned one more away; believed until then, in milliseconds since 1970. */
  readonly ceiling?: { readonly size: number; readonly until: number };
}

/** For so long no more is tried than what the peer took. */
const REMEMBERED_MS = 600_000;

export function firstLimit({ first, most }: SessionRange): SessionLimit {
  return { size: Math.min(first, most) };
}

/** After a message that a session carried; `open`: sessions in use, that one included. */
export function afterCarried(
  limit: SessionLimit,
  { open, now }: { readonly open: number; readonly now: number },
  { most }: SessionRange,
): SessionLimit {
  const ceiling = limit.ceiling && now < limit.ceiling.until ? limit.ceiling : undefined;
  // As long as there were some to spare, more would not have been used.
  const wished = open >= limit.size ? limit.size + 1 : limit.size;
  return { size: Math.min(wished, ceiling?.size ?? most, most), ...(ceiling && { ceiling }) };
}

/** After a session was turned away; `open`: sessions in use, that one included. */
export function afterTurnedAway({
  open,
  now,
}: {
  readonly open: number;
  readonly now: number;
}): SessionLimit {
  const size = Math.max(1, open - 1);
  return { size, ceiling: { size, until: now + REMEMBERED_MS } };
}
