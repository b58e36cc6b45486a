import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { RetrySettings } from "../../../mailserver/contract.ts";
import type { Delivery, Result } from "../../../mailserver/courier/types.ts";
import { silentLog } from "../../../mailserver/net/log.ts";
import type { Unreported } from "../../../mailserver/queue/item.ts";
import { type Queue, QueueEnded, QueueError, QueueFull } from "../../../mailserver/queue/queue.ts";
import { type RunnerOptions, startRunner } from "../../../mailserver/queue/runner.ts";
import { createPersist } from "../../../mailserver/queue/store-result.ts";
import { reply } from "../../../mailserver/smtp/replies.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { item, temporaryFolder, testQueue } from "../../support/queue.ts";

const DAY = 86_400_000;
const delivered: Result = { kind: "delivered", reply: reply(250, "2.0.0", "ok") };
const temporary: Result = { kind: "temporary", reply: reply(451, "4.7.1", "later"), host: "mx.one.test" };
const permanent: Result = { kind: "permanent", reply: reply(550, "5.1.1", "nobody"), host: "mx.one.test" };

/** Runs a queue whose deliveries end as `answer` says; `seen` grows with each attempt. */
function run(
  queue: Queue,
  answer: (address: string) => Result | Promise<Result>,
  rest: Partial<RunnerOptions> = {},
) {
  const seen: { at: number; destination: string; delivery: Delivery }[] = [];
  const reports: Unreported[] = [];
  const clock = new FakeClock(0);
  const ended = Promise.withResolvers<void>();
  const runner = startRunner({
    queue,
    clock,
    retry: RetrySettings.parse({}),
    random: () => 0.5,
    log: silentLog,
    deliver: async (destination, delivery) => {
      seen.push({ at: clock.now(), destination, delivery });
      if (destination === "mx:semail.test") queueMicrotask(ended.resolve);
      return Promise.all(delivery.recipients.map(({ text }) => answer(text)));
    },
    composeDsn: async (failed) => {
      reports.push(failed);
      const envelope = { from: "", eightBit: false, smtputf8: false };
      return item(`dsn-${failed.id}`, [failed.envelope.from], { envelope, created: clock.now() });
    },
    ...rest,
  });
  /** A notification reached its courier. */
  return { seen, reports, clock, runner, notified: ended.promise };
}

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

test("what waits for a destination that rests is not tried in turn, holds up nobody, and goes on after the rest", async () => {
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
        rest.until = clock.now() + 1_000;
        return temporary;
      }
      arrived += 1;
      if (arrived === 61) all.resolve();
      return delivered;
    },
    { restsUntil: (destination) => (destination === "mx:down.test" ? rest.until : 0) },
  );
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

/** Which operations of the queue the runner asks for after a delivery that began elsewhere has ended with `result`. */
async function askedAfter(queue: Queue, result: Result): Promise<string[]> {
  const asked: string[] = [];
  const noting = <K extends "claimDue" | "unreported" | "settle">(name: K): Queue[K] =>
    ((argument: never) => {
      asked.push(name);
      return queue[name](argument);
    }) as Queue[K];
  const noted = { claimDue: noting("claimDue"), unreported: noting("unreported"), settle: noting("settle") };
  const { runner, clock } = run({ ...queue, ...noted }, () => delivered);
  const taken = { ...item("a", ["bob@one.test"]), claimed: true };
  await queue.enqueue(taken);
  const recipients = taken.recipients.map((recipient) => ({ ...recipient, seq: 0, attempts: 0 }));
  const due = { ...taken, size: taken.body.length, recipients };
  const ending = Promise.withResolvers<Result[]>();
  runner.follow({ item: due, destination: "mx:one.test", recipients }, ending.promise);
  await settledDown(queue);
  asked.length = 0;
  ending.resolve([result]);
  await settledDown(queue);
  const after = [...asked];
  if (result.kind === "temporary") await clock.jump();
  await settledDown(queue);
  await runner.stop();
  return after;
}

/** Whatever was asked of the queue before is answered, and what was asked in turn: each answer takes one round. */
async function settledDown(queue: Queue): Promise<void> {
  for (let rounds = 0; rounds < 5; rounds += 1) await queue.counts();
}

test("a followed delivery that ends well is noted, and nothing is looked for", async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  assert.deepEqual(await askedAfter(queue, delivered), ["settle"]);
  assert.equal((await queue.counts()).items, 0);
});

test("a followed delivery that is put off is tried again at its time", async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  assert.deepEqual(await askedAfter(queue, temporary), ["settle", "unreported", "claimDue"]);
  assert.equal((await queue.counts()).items, 0, "tried again, and taken");
});

test("a followed delivery that fails is told to the sender", async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  assert.deepEqual((await askedAfter(queue, permanent)).slice(0, 2), ["settle", "unreported"]);
  assert.equal((await queue.counts()).items, 0, "the notification is on its way, and taken");
});

const OPERATIONS = ["claimDue", "begin", "settle", "release", "unreported", "nextDue"] as const;

for (const operation of OPERATIONS) {
  test(`a fault of ${operation} that passes strands nothing`, async () => {
    await using folder = await temporaryFolder();
    await using queue = await testQueue(folder.path);
    let faults = 1;
    const faulty = (argument: never): unknown =>
      faults-- > 0 ? Promise.reject(new QueueError("database is locked")) : queue[operation](argument);
    const done = Promise.withResolvers<void>();
    let tries = 0;
    const { clock, runner } = run({ ...queue, [operation]: faulty } as Queue, () => {
      tries += 1;
      // The first time not, so that everything that a runner asks for is asked for.
      if (tries === 1) return temporary;
      done.resolve();
      return delivered;
    });
    await queue.enqueue(item("a", ["bob@one.test"]));
    const over = done.promise.then(() => true);
    while (!(await Promise.race([over, clock.jump().then(() => false)])));
    await settledDown(queue);
    await runner.stop();
    assert.deepEqual(await queue.counts(), { items: 0, unreadable: 0 });
  });
}

test("what is asked of a queue that is closed is not asked again", async () => {
  const { signal } = new AbortController();
  const persist = createPersist({ clock: new FakeClock(0), log: silentLog, signal });
  await assert.rejects(
    persist(() => Promise.reject(new QueueEnded("the queue is closed"))),
    QueueEnded,
  );
});

test("a fault that does not pass is given up after five minutes, and a full disk never", async () => {
  const { signal } = new AbortController();
  const clock = new FakeClock(0);
  const persist = createPersist({ clock, log: silentLog, signal });
  let over = false;
  const failing = persist(() => Promise.reject(new QueueError("disk I/O error"))).catch((error: Error) => {
    over = true;
    return error.message;
  });
  while (!over) await Promise.race([failing, clock.jump()]);
  assert.equal(await failing, "disk I/O error");
  assert.equal(clock.now(), 295_000);
  let left = 200;
  const full = persist(async () => {
    left -= 1;
    if (left > 0) throw new QueueFull("the disk is full");
    return "stored";
  });
  while (left > 0) await Promise.race([full, clock.jump()]);
  assert.equal(await full, "stored");
});

test("a pause leaves nothing behind on the signal that ends all of them", async () => {
  const abort = new AbortController();
  const clock = new FakeClock(0);
  const persist = createPersist({ clock, log: silentLog, signal: abort.signal });
  let left = 3;
  const stored = persist(async () => {
    left -= 1;
    if (left > 0) throw new QueueFull("the disk is full");
  });
  while (left > 0) await Promise.race([stored, clock.jump()]);
  await stored;
  assert.equal(getEventListeners(abort.signal, "abort").length, 0);
});

const FULL_DISK = "the disk is full";

test("a notification that finds no room keeps no place from what can leave, and goes out when there is room", async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  let full = true;
  const all = Promise.withResolvers<void>();
  const seen = new Set<string>();
  const report: Queue["report"] = (change) =>
    full ? Promise.reject(new QueueFull(FULL_DISK)) : queue.report(change);
  const { clock, runner, notified } = run({ ...queue, report }, (to) => {
    seen.add(to);
    if (seen.size === 6) all.resolve();
    return to.startsWith("nobody") ? permanent : delivered;
  });
  for (const id of ["a", "b", "c"]) await queue.enqueue(item(id, [`nobody${id}@one.test`]));
  for (const id of ["d", "e", "f"]) await queue.enqueue(item(id, [`kim${id}@one.test`]));
  runner.wake();
  await all.promise;
  full = false;
  await clock.jump();
  await notified;
  while (clock.armed) {
    await clock.jump();
    await settledDown(queue);
  }
  await settledDown(queue);
  await runner.stop();
  assert.deepEqual(await queue.counts(), { items: 0, unreadable: 0 });
});

test("a notification that was owed before the start, and finds no room, holds up nothing", async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  await queue.enqueue(item("a", ["nobody@one.test"]));
  const { items } = await queue.claimDue({ now: 0, limit: 1, except: [] });
  assert.equal(items.length, 1);
  const answer = { code: 550, status: "5.1.1", text: "nobody" };
  const failed = { seq: 0, state: "failed", attempts: 1, answer, owed: "failed" } as const;
  await queue.settle({ id: "a", at: 0, settlements: [failed] });
  await queue.enqueue(item("b", ["bob@one.test"]));
  const taken = Promise.withResolvers<void>();
  const report: Queue["report"] = () => Promise.reject(new QueueFull(FULL_DISK));
  const { runner, clock } = run({ ...queue, report }, () => {
    taken.resolve();
    return delivered;
  });
  await taken.promise;
  await settledDown(queue);
  const stopping = runner.stop();
  // The time that it gives to what is under way.
  assert.equal(await clock.jump(), 1_500);
  await stopping;
  assert.equal((await queue.counts()).items, 1, "what is owed stays owed");
});

test("a delivery that is followed after the runner's end is noted when it ends in a moment", async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  const { runner } = run(queue, () => delivered);
  await settledDown(queue);
  await runner.stop();
  const followed = { ...item("a", ["bob@one.test"]), claimed: true };
  await queue.enqueue(followed);
  const recipients = followed.recipients.map((recipient) => ({ ...recipient, seq: 0, attempts: 0 }));
  const due = { ...followed, size: followed.body.length, recipients };
  const ending = Promise.withResolvers<Result[]>();
  runner.follow({ item: due, destination: "mx:one.test", recipients }, ending.promise);
  await settledDown(queue);
  ending.resolve([delivered]);
  await runner.stop();
  assert.equal((await queue.counts()).items, 0);
});

test("a delivery that is followed after the runner's end, and does not end, is left for the next start", async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  const { runner, clock } = run(queue, () => delivered);
  await settledDown(queue);
  await runner.stop();
  const followed = { ...item("a", ["bob@one.test"]), claimed: true };
  await queue.enqueue(followed);
  const recipients = followed.recipients.map((recipient) => ({ ...recipient, seq: 0, attempts: 0 }));
  const due = { ...followed, size: followed.body.length, recipients };
  runner.follow({ item: due, destination: "mx:one.test", recipients }, new Promise(() => {}));
  await clock.jump();
  await runner.stop();
  assert.equal((await queue.claimDue({ now: 0, limit: 1, except: [] })).items.length, 1);
});
