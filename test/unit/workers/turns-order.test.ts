/** Turns at a box while anything may happen, in any order. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import fc from "fast-check";
import { Site, type Worker } from "./turns-site.ts";

/** Workers that deliver to one box, while anything may happen. */
class Crowd {
  readonly site: Site;
  readonly workers: readonly Worker[];
  readonly waiting = new Map<AbortController, Worker>();
  #active: { readonly worker: Worker; readonly end: () => void }[] = [];
  most = 0;

  constructor(most: number) {
    const site = new Site(most);
    this.site = site;
    this.workers = [site.worker(), site.worker(), site.worker()];
  }

  async take(worker: Worker): Promise<void> {
    const abort = new AbortController();
    this.waiting.set(abort, worker);
    const end = await worker.turns.take("box-alice", abort.signal);
    this.waiting.delete(abort);
    // Who gave up goes ahead beside the others.
    if (abort.signal.aborted) return end();
    this.#active.push({ worker, end });
    this.most = Math.max(this.most, this.#active.length);
  }

  end(): void {
    const ended = this.#active;
    this.#active = [];
    for (const { end } of ended) end();
  }

  giveUp(which: number): void {
    [...this.waiting.keys()][which]?.abort();
  }

  kill(worker: Worker): void {
    this.site.kill(worker);
    this.#active = this.#active.filter((one) => one.worker !== worker);
    for (const [abort, whose] of this.waiting) if (whose === worker) abort.abort();
  }

  /** All that is left to be delivered, which the events did not let be. */
  async finish(deliveries: number): Promise<void> {
    for (let left = 0; left <= deliveries; left += 1) {
      await this.site.settle();
      this.end();
    }
    await this.site.settle();
  }
}

type Happening = (crowd: Crowd, worker: Worker, which: number) => unknown;

const HAPPENINGS: readonly (readonly [weight: number, happening: Happening])[] = [
  [4, (crowd, worker) => worker.alive && crowd.take(worker)],
  [3, (crowd) => crowd.end()],
  [6, (crowd, _, which) => crowd.site.arrive(which)],
  [3, (crowd) => crowd.site.round()],
  [1, (crowd, _, which) => crowd.giveUp(which)],
  [1, (crowd, worker, which) => which === 0 && crowd.kill(worker)],
];

describe("whatever the order of events", () => {
  const happening = fc.oneof(
    ...HAPPENINGS.map(([weight, what]) => ({ weight, arbitrary: fc.constant(what) })),
  );
  const events = fc.array(fc.tuple(happening, fc.nat({ max: 2 }), fc.nat({ max: 5 })), { maxLength: 80 });

  const checks = (most: number) =>
    fc.asyncProperty(events, async (all) => {
      const crowd = new Crowd(most);
      for (const [happens, index, which] of all) {
        // Not waited for: a turn comes when another event lets it.
        void happens(crowd, crowd.workers[index] ?? assert.fail(), which);
        await setImmediate();
        await setImmediate();
      }
      await crowd.finish(all.length);
      assert.ok(crowd.most <= most, `${crowd.most} had it`);
      assert.equal(crowd.waiting.size, 0);
      assert.equal(crowd.site.clock.armed, false);
    });

  test("one has the turn at a time, and everybody's comes", () => fc.assert(checks(1), { numRuns: 200 }));
  test("no more have one than may at a time, and everybody's comes", () =>
    fc.assert(checks(2), { numRuns: 200 }));
});
