/** At most so many at a time of each name; the others wait, first come first served, no more of them than may. */
export class Turns {
  readonly #mostOf: (name: string) => number;
  readonly #mostWaiting: number;
  readonly #busy = new Map<string, { active: number; readonly waiting: (() => void)[] }>();

  /** `mostOf` is asked whenever somebody comes or goes, so that it may change. */
  constructor(mostOf: (name: string) => number, mostWaiting = Number.POSITIVE_INFINITY) {
    this.#mostOf = mostOf;
    this.#mostWaiting = mostWaiting;
  }

  /**
   * Waits for a turn, which ends by calling what is given. Undefined when `signal` was aborted first, and at once when
   * too many wait.
   */
  async take(name: string, signal?: AbortSignal): Promise<(() => void) | undefined> {
    if (signal?.aborted === true) return undefined;
    const line = this.#busy.get(name) ?? { active: 0, waiting: [] };
    this.#busy.set(name, line);
    if (line.active >= this.#mostOf(name)) {
      if (line.waiting.length >= this.#mostWaiting) return undefined;
      const { promise, resolve } = Promise.withResolvers<boolean>();
      const next = (): void => resolve(true);
      const aborted = (): void => {
        const at = line.waiting.indexOf(next);
        // Whose turn came in the same moment has it.
        if (at < 0) return;
        line.waiting.splice(at, 1);
        resolve(false);
      };
      line.waiting.push(next);
      signal?.addEventListener("abort", aborted, { once: true });
      const mine = await promise;
      signal?.removeEventListener("abort", aborted);
      if (!mine) return undefined;
    } else line.active += 1;
    return () => this.#end(name);
  }

  /** Turns that are taken now. */
  active(name: string): number {
    return this.#busy.get(name)?.active ?? 0;
  }

  /** Those that wait take the place, and more when more may be; or nobody has it. */
  #end(name: string): void {
    const line = this.#busy.get(name);
    if (line === undefined) return;
    line.active -= 1;
    const most = this.#mostOf(name);
    while (line.active < most) {
      const next = line.waiting.shift();
      if (next === undefined) break;
      line.active += 1;
      next();
    }
    if (line.active === 0) this.#busy.delete(name);
  }
}
