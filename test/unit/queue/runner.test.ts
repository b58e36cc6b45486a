import assert from "node:assert/strict";
import { test } from "node:test";
import type { Delivery } from "../../../mailserver/courier/types.ts";
import { silentLog } from "../../../mailserver/net/log.ts";
import { item, temporaryFolder, testQueue } from "../../support/queue.ts";
import { delivered, permanent, run, temporary } from "./runner-support.ts";

const DAY = 86_400_000;

test("one bad recipient of several fails alone and is reported once", async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  const { reports, runner, notified, seen } = run(queue, (to) =>
    to === "eve@two.test" ? permanent : delivered,
  );
  await queue.enqueue(item("a", ["bob@one.test", "eve@two.test", "kim@three.test"]));
  await notified;
  await runner.stop();
  assert.deepEqual(
    reports.map(({ id, recipients }) => [id, recipients.map(({ address }) => address)]),
    [["a", ["eve@two.test"]]],
  );
  assert.equal(seen.at(-1)?.delivery.from, null);
  assert.equal(seen.length, 4);
  assert.deepEqual(await queue.counts(), { items: 0, unreadable: 0 });
});

test("several failures of one message make one notification", async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  const { reports, runner, notified } = run(queue, (to) => (to.startsWith("alice") ? delivered : permanent));
  await queue.enqueue(item("a", ["bob@one.test", "eve@two.test", "kim@one.test"]));
  await notified;
  await runner.stop();
  assert.deepEqual(
    reports.map(({ recipients }) => recipients.length),
    [3],
  );
});

test("over five days a deferred message is tried ever more seldom, told of after four hours, then given up: two notifications", async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  const twice = Promise.withResolvers<void>();
  let told = 0;
  const { seen, reports, clock, runner } = run(queue, (to) => {
    if (!to.startsWith("alice")) return temporary;
    told += 1;
    if (told === 2) twice.resolve();
    return delivered;
  });
  await queue.enqueue(item("a", ["bob@one.test"]));
  while (clock.now() < 5 * DAY) await clock.jump();
  await twice.promise;
  await runner.stop();
  const attempts = seen.filter(({ destination }) => destination === "mx:one.test").map(({ at }) => at);
  assert.deepEqual(
    attempts.slice(0, 7).map((at) => at / 60_000),
    [0, 5, 15, 35, 75, 155, 240],
  );
  assert.equal(attempts.at(-1), 5 * DAY);
  assert.equal(attempts.length, 7 + 29);
  assert.deepEqual(
    reports.map(({ recipients }) => recipients.map(({ state, owed }) => [state, owed])),
    [[["pending", "delayed"]], [["expired", "failed"]]],
  );
  assert.equal((await queue.counts()).items, 0);
});

test("no notification about a notification", async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  const suppressed = Promise.withResolvers<void>();
  const log = { ...silentLog, info: (event: string) => event === "dsn.suppressed" && suppressed.resolve() };
  const { reports, runner } = run(queue, () => permanent, { log });
  await queue.enqueue(
    item("a", ["bob@one.test"], { envelope: { from: "", eightBit: false, smtputf8: false } }),
  );
  await suppressed.promise;
  await runner.stop();
  assert.deepEqual(reports, []);
  assert.equal((await queue.counts()).items, 0);
});

test("a courier that throws or answers too little defers, and the queue goes on", async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  const third = Promise.withResolvers<void>();
  const { runner } = run(queue, () => delivered, {
    deliver: async (destination) => {
      if (destination === "mx:one.test") throw new Error("a bug");
      if (destination === "mx:two.test") return [];
      third.resolve();
      return [delivered];
    },
  });
  await queue.enqueue(item("a", ["bob@one.test", "eve@two.test"]));
  await queue.enqueue(item("b", ["kim@three.test"]));
  await third.promise;
  await runner.stop();
  const view = await queue.show("a");
  assert.deepEqual(
    view?.recipients.map(({ state, attempts }) => [state, attempts]),
    [
      ["pending", 1],
      ["pending", 1],
    ],
  );
});

test("at most two deliveries to one destination and twenty in all", async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  const active = new Map<string, number>();
  let most = 0;
  let mostInOne = 0;
  let left = 60;
  const done = Promise.withResolvers<void>();
  // The first one there stays until a second one has joined it: how fast the machine is decides nothing.
  const second = Promise.withResolvers<void>();
  const { runner } = run(queue, () => delivered, {
    deliver: async (destination) => {
      active.set(destination, (active.get(destination) ?? 0) + 1);
      mostInOne = Math.max(mostInOne, active.get(destination) ?? 0);
      most = Math.max(
        most,
        [...active.values()].reduce((a, b) => a + b),
      );
      if (active.get("mx:d0.test") === 2) second.resolve();
      if (destination === "mx:d0.test") await second.promise;
      await new Promise((resolve) => setImmediate(resolve));
      active.set(destination, (active.get(destination) ?? 0) - 1);
      if (--left === 0) done.resolve();
      return [delivered];
    },
  });
  for (let count = 0; count < 60; count++) void queue.enqueue(item(`m${count}`, [`bob@d${count % 15}.test`]));
  await done.promise;
  await runner.stop();
  assert.equal(mostInOne, 2);
  assert.ok(most <= 20, `${most} at once`);
});

test("stopping gives back what is in flight, uncounted", async () => {
  await using folder = await temporaryFolder();
  {
    await using queue = await testQueue(folder.path);
    const started = Promise.withResolvers<void>();
    const { runner, clock } = run(queue, () => delivered, {
      deliver: async (_destination, _delivery, signal) => {
        started.resolve();
        await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
        return [temporary];
      },
    });
    await queue.enqueue(item("a", ["bob@one.test"]));
    await started.promise;
    const stopped = runner.stop();
    assert.equal(await clock.jump(), 1_500);
    await stopped;
  }
  await using queue = await testQueue(folder.path);
  const { items } = await queue.claimDue({ now: 0, limit: 10, except: [] });
  assert.deepEqual(
    items[0]?.recipients.map(({ attempts }) => attempts),
    [0],
  );
});

test("stopping does not wait for a delivery that does not heed it, and gives that back, uncounted", {
  timeout: 10_000,
}, async () => {
  await using folder = await temporaryFolder();
  {
    await using queue = await testQueue(folder.path);
    const started = Promise.withResolvers<void>();
    const { runner, clock } = run(queue, () => delivered, {
      deliver: () => {
        started.resolve();
        return new Promise(() => {});
      },
    });
    await queue.enqueue(item("a", ["bob@one.test"]));
    await started.promise;
    const stopped = runner.stop();
    assert.equal(await clock.jump(), 1_500);
    assert.equal(await clock.jump(), 1_900);
    await stopped;
  }
  await using queue = await testQueue(folder.path);
  const { items } = await queue.claimDue({ now: 0, limit: 10, except: [] });
  assert.deepEqual(
    items[0]?.recipients.map(({ attempts }) => attempts),
    [0],
  );
});

test("what a delivery that does not heed the end brings in its last moment is kept", async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  const started = Promise.withResolvers<AbortSignal>();
  const ending = Promise.withResolvers<void>();
  const { runner, clock } = run(queue, () => delivered, {
    deliver: async (_destination, _delivery, signal) => {
      started.resolve(signal);
      await ending.promise;
      return [delivered];
    },
  });
  await queue.enqueue(item("a", ["bob@one.test"]));
  await started.promise;
  const stopped = runner.stop();
  await clock.jump();
  ending.resolve();
  await stopped;
  assert.equal((await queue.counts()).items, 0);
});

test("a failure that a crash left unreported is reported at start, and not tried again", async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  await queue.enqueue(item("a", ["bob@one.test"]));
  await queue.claimDue({ now: 0, limit: 1, except: [] });
  const answer = { code: 550, status: "5.1.1", text: "nobody" };
  await queue.settle({
    id: "a",
    at: 0,
    settlements: [{ seq: 0, state: "failed", attempts: 1, answer, owed: "failed" }],
  });
  const { seen, reports, runner, notified } = run(queue, () => delivered);
  await notified;
  await runner.stop();
  assert.equal(reports.length, 1);
  assert.deepEqual(
    seen.map(({ destination }) => destination),
    ["mx:semail.test"],
  );
});

test("a failure that can't be reported holds up neither other reports nor the queue", async () => {
  await using folder = await temporaryFolder();
  {
    await using before = await testQueue(folder.path);
    for (const id of ["bad", "good"]) await before.enqueue(item(id, ["eve@two.test"]));
    await before.claimDue({ now: 0, limit: 10, except: [] });
    const answer = { code: 550, status: "5.1.1", text: "nobody" };
    const settlements = [{ seq: 0, state: "failed", attempts: 1, answer, owed: "failed" } as const];
    for (const id of ["bad", "good"]) await before.settle({ id, at: 0, settlements });
    await before.enqueue(item("waiting", ["bob@one.test"]));
  }
  await using queue = await testQueue(folder.path);
  const sent = Promise.withResolvers<void>();
  const { runner, seen } = run(queue, () => delivered, {
    composeDsn: async ({ id, envelope }) => {
      if (id === "bad") throw new Error("no notification can be made of this");
      return item(`dsn-${id}`, [envelope.from], { envelope: { ...envelope, from: "" } });
    },
    deliver: async (destination, { recipients }) => {
      seen.push({ at: 0, destination, delivery: { recipients } as unknown as Delivery });
      if (seen.length === 2) sent.resolve();
      return recipients.map(() => delivered);
    },
  });
  await sent.promise;
  await runner.stop();
  assert.deepEqual(seen.map(({ destination }) => destination).sort(), ["mx:one.test", "mx:semail.test"]);
  assert.deepEqual(await queue.counts(), { items: 1, unreadable: 0 });
});

test("what waits for a destination that rests is not tried in turn, holds up nobody, and goes on after the rest", {
  timeout: 30_000,
}, async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  const rest = { until: 0 };
  const all = Promise.withResolvers<void>();
  let arrived = 0;
  let up = false;
  const { seen, runner, clock } = run(
    queue,
    (to) => {
      if (to.endsWith("@down.test") && !up) {
        rest.until = clock.elapsed() + 1_000;
        return temporary;
      }
      arrived += 1;
      if (arrived === 61) all.resolve();
      return delivered;
    },
    { restsUntil: (destination) => (destination === "mx:down.test" ? rest.until : 0) },
  );
  // A rest is a span: by the time of day it would be over.
  clock.set(3_600_000);
  // More than the runner claims ahead.
  for (let count = 0; count < 60; count += 1) await queue.enqueue(item(`d${count}`, ["a@down.test"]));
  await queue.enqueue(item("fine", ["b@fine.test"]));
  while (!seen.some(({ destination }) => destination === "mx:fine.test")) await clock.nextTimer();
  const tried = seen.filter(({ destination }) => destination === "mx:down.test").length;
  // Two at once, and what was claimed while they were under way.
  assert.ok(tried <= 5, `${tried} attempts`);
  up = true;
  const woken = (async () => {
    for (;;) await clock.jump();
  })();
  await Promise.race([all.promise, woken]);
  await runner.stop();
  assert.deepEqual(await queue.counts(), { items: 0, unreadable: 0 });
});
