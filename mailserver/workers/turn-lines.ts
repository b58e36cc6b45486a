/** Whose turn each box is: the lines of those who wait for one, first come first served. No I/O. */
import type { Timing } from "../net/timing.ts";
import { TURN_PATIENCE_MS } from "./messages.ts";

export interface TurnLinesOptions<Worker> {
  readonly timing: Pick<Timing, "after">;
  /** Tells a worker that it has the turn. Called once for each time that it asked. */
  readonly give: (worker: Worker, host: string) => void;
}

interface Line<Worker> {
  holder: Worker;
  readonly waiting: Worker[];
  /** Stops the time of the holder, which runs while others wait. */
  cancel: () => void;
}

const nothing = (): void => {};

export class TurnLines<Worker> {
  readonly #options: TurnLinesOptions<Worker>;
  readonly #lines = new Map<string, Line<Worker>>();

  constructor(options: TurnLinesOptions<Worker>) {
    this.#options = options;
  }

  /** The worker wants the turn at the box named `host`: it has it now or when those before it are done. */
  ask(worker: Worker, host: string): void {
    const line = this.#lines.get(host);
    if (line === undefined) {
      this.#lines.set(host, { holder: worker, waiting: [], cancel: nothing });
      this.#options.give(worker, host);
      return;
    }
    line.waiting.push(worker);
    if (line.waiting.length === 1) this.#watch(host, line);
  }

  /** Ends the worker's turn, unless it has passed on to another meanwhile. */
  over(worker: Worker, host: string): void {
    const line = this.#lines.get(host);
    if (line?.holder === worker) this.#next(host, line);
  }

  /** The worker has no turn and no place any more. */
  leave(worker: Worker): void {
    for (const [host, line] of this.#lines) {
      const waiting = line.waiting.filter((other) => other !== worker);
      line.waiting.splice(0, Number.POSITIVE_INFINITY, ...waiting);
      if (line.holder === worker) this.#next(host, line);
      else if (waiting.length === 0) this.#stopWatch(line);
    }
  }

  #next(host: string, line: Line<Worker>): void {
    this.#stopWatch(line);
    const next = line.waiting.shift();
    if (next === undefined) {
      this.#lines.delete(host);
      return;
    }
    line.holder = next;
    if (line.waiting.length > 0) this.#watch(host, line);
    this.#options.give(next, host);
  }

  /** Those who wait go ahead by themselves then; it must not be for nothing that others ask. */
  #watch(host: string, line: Line<Worker>): void {
    line.cancel = this.#options.timing.after(TURN_PATIENCE_MS, () => this.#next(host, line));
  }

  #stopWatch(line: Line<Worker>): void {
    line.cancel();
    line.cancel = nothing;
  }
}
