/** The runner beside a database that fails, and a disk that is full. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RetrySettings } from "../../../mailserver/contract.ts";
import { silentLog } from "../../../mailserver/net/log.ts";
import { DirectoryUnavailable } from "../../../mailserver/policy/recipient.ts";
import { attempt } from "../../../mailserver/queue/attempt.ts";
import { type Queue, QueueError, QueueFull } from "../../../mailserver/queue/queue.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { item, temporaryFolder, testQueue } from "../../support/queue.ts";
import { delivered, permanent, run, settledDown, temporary } from "./runner-support.ts";

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
    let rest = 0;
    // More than are delivered at once: the last ones wait, and are given back while their destination rests.
    const ids = ["a", "b", "c", "d"];
    for (const id of ids) await queue.enqueue(item(id, ["bob@one.test"]));
    const { clock, runner } = run(
      { ...queue, [operation]: faulty } as Queue,
      () => {
        tries += 1;
        if (tries === 1) {
          rest = clock.now() + 1_000;
          return temporary;
        }
        if (tries === ids.length + 1) done.resolve();
        return delivered;
      },
      { restsUntil: () => rest },
    );
    const over = done.promise.then(() => true);
    while (!(await Promise.race([over, clock.jump().then(() => false)])));
    await settledDown(queue);
    await runner.stop();
    assert.ok(faults < 1, "it was asked");
    assert.deepEqual(await queue.counts(), { items: 0, unreadable: 0 });
  });
}

test("a notification of which nobody can say where it goes is sent when the directory answers", async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  let down = 3;
  const { clock, runner, notified } = run(queue, (to) => (to.startsWith("nobody") ? permanent : delivered), {
    composeDsn: async ({ id, envelope: { from } }) => {
      if (down-- > 0) throw new DirectoryUnavailable("no answer");
      const envelope = { from: "", eightBit: false, smtputf8: false };
      return item(`dsn-${id}`, [from], { envelope, created: clock.now() });
    },
  });
  await queue.enqueue(item("a", ["nobody@one.test"]));
  let over = false;
  void notified.then(() => {
    over = true;
  });
  for (let rounds = 0; !over && rounds < 100; rounds += 1) {
    if (clock.armed) await clock.jump();
    await settledDown(queue);
  }
  await runner.stop();
  assert.ok(over);
  assert.equal(down, -1, "it was composed once after that");
  assert.deepEqual(await queue.counts(), { items: 0, unreadable: 0 });
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

/** What keeps an attempt from opening anything, and what is stored then. */
const unopened: Readonly<Record<string, readonly [begin: Queue["begin"], stored: readonly string[]]>> = {
  "the database can't be read now": [() => Promise.reject(new QueueError("database is locked")), ["settle"]],
  "nobody is left to deliver to": [async () => undefined, []],
};

for (const [why, [begin, stored]] of Object.entries(unopened)) {
  test(`an attempt that opens nothing awaits no courier, so that it is never late: ${why}`, async () => {
    await using folder = await temporaryFolder();
    await using queue = await testQueue(folder.path);
    await queue.enqueue(item("a", ["bob@one.test"]));
    const { items } = await queue.claimDue({ now: 0, limit: 1, except: [] });
    const [due] = items;
    assert.ok(due);
    const told: string[] = [];
    const settle: Queue["settle"] = (change) => {
      told.push("settle");
      return queue.settle(change);
    };
    const { signal } = new AbortController();
    await attempt(
      { item: due, destination: "mx:one.test", recipients: due.recipients },
      {
        ...{ queue: { ...queue, begin, settle }, clock: new FakeClock(0), retry: RetrySettings.parse({}) },
        ...{ random: () => 0.5, log: silentLog, persist: (work) => work(), signal },
        deliver: () => assert.fail("nothing was opened"),
      },
      { giveWay: signal, answered: () => void told.push("answered") },
    );
    assert.deepEqual(told, ["answered", ...stored]);
  });
}
