import { systemTiming } from "../net/timing.ts";

/** Time as the queue sees it, so that tests can run five days in a moment. */
export interface Clock {
  /** Milliseconds since 1970: for what is written down or shown. It may be set back or forward. */
  now(): number;
  /** Milliseconds; only differences mean something: for spans, which last as long as they say whoever sets the clock. */
  elapsed(): number;
  /** Calls `wake` once after `ms`, unless cancelled by the returned function. */
  after(ms: number, wake: () => void): () => void;
}

/** Node rejects longer timers by firing at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: Date.now,
  elapsed: systemTiming.now,
  after(ms, wake) {
    const timer = setTimeout(wake, Math.min(Math.max(ms, 0), LONGEST_TIMER_MS));
    return () => clearTimeout(timer);
  },
};

/** What comes of `work`, or `otherwise` when that takes longer than `ms`: nobody waits for it any more. */
export function within<T, O>(
  clock: Pick<Clock, "after">,
  ms: number,
  work: Promise<T>,
  otherwise: O,
): Promise<T | O> {
  const { promise, resolve } = Promise.withResolvers<O>();
  const cancel = clock.after(ms, () => resolve(otherwise));
  return Promise.race([work, promise]).finally(cancel);
}
