/** What each box's last answers say of the next: whether its sender has to wait for it. */
import type { Clock } from "../queue/clock.ts";

/** A box that took a message so long ago may be full or gone by now. */
const MOMENT_MS = 5_000;
/** A box that was full, or refused a message by a script of its owner, may do so again. */
const WARY_MS = 24 * 3_600_000;
/** A box for which more than this wait is busy. */
const FEW = 5;
/**
 * A box that takes longer than this for a message has too much to do already, most often since the machine has: what is
 * written to the disk for the sender's sake would make it slower.
 */
const SLOW_MS = 75;
/** The part of one message in the average of how long a box takes. */
const SHARE = 1 / 8;
/** And the most that one counts for: the first of a box that slept, or one that is late, says little of the others. */
const MOST_MS = 4 * SLOW_MS;

export type Health = "free" | "slow" | "busy";

interface Taken {
  readonly at: number;
  /** How long the box takes, in milliseconds: an average in which the last messages count most, beginning with nothing. */
  readonly pace: number;
}

export class BoxHealth {
  readonly #clock: Pick<Clock, "elapsed">;
  readonly #taken = new Map<string, Taken>();
  readonly #refused = new Map<string, number>();

  constructor(clock: Pick<Clock, "elapsed">) {
    this.#clock = clock;
  }

  /** The box took a message, in so many milliseconds. */
  took(host: string, ms: number): void {
    const before = this.#taken.get(host)?.pace ?? 0;
    const pace = before + (Math.min(ms, MOST_MS) - before) * SHARE;
    this.#taken.set(host, { at: this.#clock.elapsed(), pace });
  }

  /** The box answered, and did not take a message. */
  refused(host: string): void {
    this.#refused.set(host, this.#clock.elapsed());
  }

  /** The box did not answer. */
  silent(host: string): void {
    this.#taken.delete(host);
  }

  /**
   * Of a box that took a message a moment ago and has refused none for a day, whether more than a few others wait for it,
   * `waiting` of them, or it takes its time. Undefined: it may not take the next.
   */
  of(host: string, waiting: number): Health | undefined {
    const taken = this.#taken.get(host);
    if (taken === undefined || this.#ago(taken.at) >= MOMENT_MS) return undefined;
    if (this.#ago(this.#refused.get(host)) < WARY_MS) return undefined;
    if (waiting > FEW) return "busy";
    return taken.pace > SLOW_MS ? "slow" : "free";
  }

  #ago(when: number | undefined): number {
    return this.#clock.elapsed() - (when ?? Number.NEGATIVE_INFINITY);
  }
}
