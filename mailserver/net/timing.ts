/** Time as connections see it, so that tests can move it. */
export interface Timing {
  /** Milliseconds; only differences mean something. */
  now(): number;
  /** Calls `wake` once after `ms`, unless cancelled by the returned function. */
  after(ms: number, wake: () => void): () => void;
}

export const systemTiming: Timing = {
  // Not the time of day: a clock that is set must not end sessions.
  now: () => performance.now(),
  after(ms, wake) {
    const timer = setTimeout(wake, ms);
    return () => clearTimeout(timer);
  },
};
