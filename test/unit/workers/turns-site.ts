/** Worker processes that take turns, and their primary, without processes. */
import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import type { FromWorker } from "../../../mailserver/workers/messages.ts";
import { RemoteTurns } from "../../../mailserver/workers/remote-turns.ts";
import { TurnLines } from "../../../mailserver/workers/turn-lines.ts";
import { FakeClock } from "../../support/fake-clock.ts";

/** A worker process, and what it said to the primary so far. */
export interface Worker {
  readonly turns: RemoteTurns;
  readonly said: string[];
  /** What is on the way to it. */
  readonly inbox: (() => void)[];
  alive: boolean;
}

/** Workers and their primary, whose messages are on the way until a test lets them arrive. */
export class Site {
  readonly clock = new FakeClock(0);
  /** Messages on the way, from and to each worker, in their order. */
  readonly #wires: (() => void)[][] = [];
  /** What is put off to the end of this round of the event loop. */
  #later: (() => void)[] = [];
  readonly #lines: TurnLines<Worker>;

  /** `most`: turns at one box at a time. */
  constructor(most = 1) {
    this.#lines = new TurnLines<Worker>({
      timing: this.clock,
      most,
      give: (worker, host) => void worker.inbox.push(() => worker.alive && worker.turns.given(host)),
    });
  }

  worker(): Worker {
    const said: string[] = [];
    const [inbox, outbox]: [(() => void)[], (() => void)[]] = [[], []];
    this.#wires.push(inbox, outbox);
    const send = (message: FromWorker): void => {
      said.push(message.kind);
      outbox.push(() => worker.alive && this.#hear(worker, message));
    };
    const later = (work: () => void): void => void this.#later.push(work);
    const turns = new RemoteTurns({ send, timing: this.clock, later });
    const worker: Worker = { turns, said, inbox, alive: true };
    return worker;
  }

  #hear(worker: Worker, message: FromWorker): void {
    if (message.kind === "turn") this.#lines.ask(worker, message.host);
    else if (message.kind === "turnOver") this.#lines.over(worker, message.host);
    else assert.fail(message.kind);
  }

  kill(worker: Worker): void {
    worker.alive = false;
    this.#lines.leave(worker);
  }

  /** The end of a round of the event loop. */
  async round(): Promise<void> {
    await setImmediate();
    const works = this.#later;
    this.#later = [];
    for (const work of works) work();
  }

  /** The next message of one of the ways arrives. */
  arrive(wire: number): void {
    this.#wires[wire]?.shift()?.();
  }

  /** Until no message is on the way and nothing put off. */
  async settle(): Promise<void> {
    do {
      await this.round();
      for (const wire of this.#wires) for (const arrive of wire.splice(0)) arrive();
      await setImmediate();
    } while (this.#wires.flat().length + this.#later.length > 0);
  }
}
