/** A clock that a test moves. */
import type { Clock } from "../../mailserver/queue/clock.ts";

interface Timer {
  readonly at: number;
  readonly wake: () => void;
}

export class FakeClock implements Clock {
  #now: number;
  /** What the time of day was set forward by. */
  #set = 0;
  readonly #timers = new Set<Timer>();
  #armed = Promise.withResolvers<void>();

  constructor(now: number) {
    this.#now = now;
  }

  // Passed on by itself, as the system's is.
  readonly now = (): number => this.#now + this.#set;
  readonly elapsed = (): number => this.#now;

  after(ms: number, wake: () => void): () => void {
    const timer = { at: this.#now + ms, wake };
    this.#timers.add(timer);
    this.#armed.resolve();
    return () => this.#timers.delete(timer);
  }

  /** Settles when a timer is set from now on. */
  async nextTimer(): Promise<void> {
    this.#armed = Promise.withResolvers<void>();
    await this.#armed.promise;
  }

  /** Moves time forward without firing anything. */
  pass(ms: number): void {
    this.#now += ms;
  }

  /** Sets the time of day, back when negative: no time passes. */
  set(ms: number): void {
    this.#set += ms;
  }

  /** Whether a timer is set. */
  get armed(): boolean {
    return this.#timers.size > 0;
  }

  /** Waits until a timer is set, moves to the earliest, and fires it. */
  async jump(): Promise<number> {
    while (this.#timers.size === 0) {
      this.#armed = Promise.withResolvers<void>();
      await this.#armed.promise;
    }
    const next = [...this.#timers].reduce((a, b) => (b.at < a.at ? b : a));
    this.#timers.delete(next);
    this.#now = Math.max(this.#now, next.at);
    next.wake();
    return this.#now;
  }
}
