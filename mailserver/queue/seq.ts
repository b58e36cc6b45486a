/** The place of a recipient within their item, and what else the database may have there. Pure. */

/** NaN for what is none. */
export function seqOf(value: unknown): number {
  return typeof value === "number" ? value : Number.NaN;
}

/** In SQL: whether `seq` is a number, and one that can be read. */
export const IS_SEQ = `seq BETWEEN ${Number.MIN_SAFE_INTEGER} AND ${Number.MAX_SAFE_INTEGER}`;
