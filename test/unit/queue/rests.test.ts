/** A destination that rests is looked at again when the rest is over, whenever that falls. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../support/fake-clock.ts";
import { item, temporaryFolder, testQueue } from "../../support/queue.ts";
import { delivered, run, settledDown, temporary } from "./runner-support.ts";

/** Two readings are never the same, as on a machine. */
function ticking() {
  const fake = new FakeClock(0);
  let reads = 0;
  const elapsed = (): number => {
    reads += 1;
    return fake.elapsed() + reads / 1_000;
  };
  const clock = { now: fake.now, elapsed, after: fake.after.bind(fake) };
  return { clock, jump: () => fake.jump(), afterReads: (count: number) => (reads + count) / 1_000 };
}

for (let reads = 1; reads <= 12; reads += 1) {
  test(`a rest that ends ${reads} looks at the clock later`, { timeout: 10_000 }, async () => {
    await using folder = await temporaryFolder();
    await using queue = await testQueue(folder.path);
    const { clock, jump, afterReads } = ticking();
    let until = 0;
    const first = Promise.withResolvers<void>();
    const second = Promise.withResolvers<void>();
    let attempts = 0;
    for (const id of ["one", "two"]) await queue.enqueue(item(id, ["a@down.test"]));
    const { runner } = run(
      queue,
      () => {
        attempts += 1;
        if (attempts > 1) {
          second.resolve();
          return delivered;
        }
        until = afterReads(reads);
        first.resolve();
        return temporary;
      },
      { clock, atOnce: 1, restsUntil: () => until },
    );
    await first.promise;
    await settledDown(queue);
    const woken = (async () => {
      for (;;) await jump();
    })();
    await Promise.race([second.promise, woken]);
    await runner.stop();
    assert.ok(attempts > 1);
  });
}
