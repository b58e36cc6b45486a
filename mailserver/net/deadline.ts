/** The time that a client has left, while it is waited for. */
import type { Patience } from "./patience.ts";
import type { Timing } from "./timing.ts";

export class Deadline {
  readonly #patience: Patience;
  readonly #timing: Timing;
  #cancel = (): void => {};
  #since: number | undefined;

  constructor(patience: Patience, timing: Timing) {
    this.#patience = patience;
    this.#timing = timing;
  }

  /** From now on; calls `giveUp` when the time is over. */
  wait(giveUp: () => void): void {
    this.stop();
    this.#since = this.#timing.now();
    this.#cancel = this.#timing.after(this.#patience.left, giveUp);
  }

  /** Until now; what follows is our own time. */
  stop(): void {
    this.#cancel();
    if (this.#since !== undefined) this.#patience.waited(this.#timing.now() - this.#since);
    this.#since = undefined;
  }
}
