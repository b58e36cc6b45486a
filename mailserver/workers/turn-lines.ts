/** Whose turn each box is: the lines of those who wait for one, first come first served. No I/O. */
import type { Timing } from "../net/timing.ts";
import { TURN_PATIENCE_MS } from "./messages.ts";

export interface TurnLinesOptions<Worker> {
  readonly timing: Pick<Timing, "after">;
  /** Turns at one box at a time. */
  readonly most: number;
  /** Tells a worker that it has the turn. Called once for each time that it asked. */
  readonly give: (worker: Worker, host: string) => void;
}

interface Line<Worker> {
  /** Those who have a turn, the longest first. */
  holders: Worker[];
  readonly waiting: Worker[];
  /** Stops the time of the first holder, which runs while others wait. */
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
    const line = this.#lines.get(host) ?? { holders: [], waiting: [], cancel: nothing };
    this.#lines.set(host, line);
    if (line.holders.length < this.#options.most) {
      line.holders.push(worker);
      this.#options.give(worker, host);
      return;
    }
    line.waiting.push(worker);
    if (line.waiting.length === 1) this.#watch(host, line);
  }

  /** Ends the worker's turn, unless it has passed on to another meanwhile. */
  over(worker: Worker, host: string): void {
    const line = this.#lines.get(host);
    if (line?.holders.includes(worker)) this.#next(host, line, worker);
  }

  /** The worker has no turn and no place any more. */
  leave(worker: Worker): void {
    for (const [host, line] of this.#lines) {
      const waiting = line.waiting.filter((other) => other !== worker);
      line.waiting.splice(0, Number.POSITIVE_INFINITY, ...waiting);
      if (line.holders.includes(worker)) this.#next(host, line, worker);
      else if (waiting.length === 0) this.#stopWatch(line);
    }
  }

  /** Another has the turn of that holder. */
  #next(host: string, line: Line<Worker>, ended: Worker | undefined): void {
    this.#stopWatch(line);
    line.holders = line.holders.filter((holder) => holder !== ended);
    const next = line.waiting.shift();
    if (next === undefined) {
      if (line.holders.length === 0) this.#lines.delete(host);
      return;
    }
    line.holders.push(next);
    if (line.waiting.length > 0) this.#watch(host, line);
    this.#options.give(next, host);
  }

  /** Those who wait go ahead by themselves then; it must not be for nothing that others ask. */
  #watch(host: string, line: Line<Worker>): void {
    const pass = (): void => this.#next(host, line, line.holders[0]);
    line.cancel = this.#options.timing.after(TURN_PATIENCE_MS, pass);
  }

  #stopWatch(line: Line<Worker>): void {
    line.cancel();
    line.cancel = nothing;
  }
}
