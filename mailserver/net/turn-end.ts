/**
 * Puts off what the connections of a listener write until the end of this turn of the event loop, so that the replies of
 * all that were heard in it leave together. One by one they cost more than what they answer: each wakes a peer on this
 * machine that falls asleep again before the next.
 */
export class TurnEnd {
  #tasks: (() => void)[] = [];

  /** Calls `task` when the events that are there have been heard, behind those that were put off before. It must not throw. */
  do(task: () => void): void {
    if (this.#tasks.length === 0) setImmediate(() => this.#end());
    this.#tasks.push(task);
  }

  #end(): void {
    const tasks = this.#tasks;
    this.#tasks = [];
    for (const task of tasks) task();
  }
}
