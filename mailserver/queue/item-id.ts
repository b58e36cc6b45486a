/** Names of items, each greater than those before it. */

/** Digits of the time: enough until the year 2527. */
const TIME_DIGITS = 11;
/** Items that share a millisecond; with one more, the next one begins early. */
const IN_ONE_MS = 256;

export interface ItemIdsOptions {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Hexadecimal digits that no other process has at the same time. */
  readonly tag: string;
}

/**
 * Makes the ids of a process. They grow, whatever the clock does: messages that are written together then lie together,
 * so that a commit writes a quarter of the pages that it would if they lay wherever chance puts them.
 */
export function createItemIds({ now, tag }: ItemIdsOptions): () => string {
  let time = 0;
  let count = 0;
  return () => {
    count += 1;
    if (now() > time) {
      time = now();
      count = 0;
    } else if (count === IN_ONE_MS) {
      time += 1;
      count = 0;
    }
    return `${hex(time, TIME_DIGITS)}${hex(count, 2)}${tag}`;
  };
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}
