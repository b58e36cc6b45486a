import assert from "node:assert/strict";
import { test } from "node:test";
import { RetrySettings } from "../../../mailserver/contract.ts";
import type { Result } from "../../../mailserver/courier/types.ts";
import { silentLog } from "../../../mailserver/net/log.ts";
import type { RecipientState } from "../../../mailserver/queue/item.ts";
import type { Queue } from "../../../mailserver/queue/queue.ts";
import { startRunner } from "../../../mailserver/queue/runner.ts";
import { reply } from "../../../mailserver/smtp/replies.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { item, temporaryFolder, testQueue } from "../../support/queue.ts";

const DELIVERED: Result = { kind: "delivered", reply: reply(250, "2.0.0", "ok") };
const LATER: Result = { kind: "temporary", reply: reply(451, "4.7.1", "later") };
const all = { limit: 100, except: [] };

async function states(queue: Queue, id: string): Promise<RecipientState[] | undefined> {
  return (await queue.show(id))?.recipients.map(({ state }) => state);
}

test("who is held is not due until released, and then at once", async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  await queue.enqueue(item("a", ["bob@one.test", "eve@two.test"]));
  assert.deepEqual(await queue.manage({ verb: "hold", id: "a", at: 5 }), { found: true, recipients: 2 });
  assert.deepEqual((await queue.claimDue({ ...all, now: 10 })).items, []);
  assert.equal(await queue.nextDue([]), undefined);
  assert.deepEqual(await states(queue, "a"), ["held", "held"]);
  assert.deepEqual(await queue.census(), { items: 1, held: 1, deferred: 0, unreadable: 0, oldest: 0 });
  assert.deepEqual(await queue.manage({ verb: "release", id: "a", at: 20 }), { found: true, recipients: 2 });
  assert.equal(await queue.nextDue([]), 20);
  assert.equal((await queue.claimDue({ ...all, now: 20 })).items[0]?.recipients.length, 2);
});

test("what is held stays so over a restart", async () => {
  await using folder = await temporaryFolder();
  {
    await using queue = await testQueue(folder.path);
    await queue.enqueue(item("a", ["bob@one.test"]));
    await queue.manage({ verb: "hold", id: "a", at: 5 });
  }
  await using queue = await testQueue(folder.path);
  assert.deepEqual(await states(queue, "a"), ["held"]);
  assert.deepEqual((await queue.claimDue({ ...all, now: 10 })).items, []);
});

test("a retry makes due what waits, and leaves alone what is held", async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  await queue.enqueue(item("a", ["bob@one.test"], { created: 900 }));
  await queue.enqueue(item("b", ["bob@one.test"]));
  await queue.manage({ verb: "hold", id: "b", at: 5 });
  assert.deepEqual(await queue.manage({ verb: "retry", id: "a", at: 5 }), { found: true, recipients: 1 });
  assert.deepEqual(await queue.manage({ verb: "retry", id: "b", at: 5 }), { found: true, recipients: 0 });
  assert.deepEqual(await queue.manage({ verb: "retry", id: "c", at: 5 }), { found: false, recipients: 0 });
  assert.deepEqual(
    (await queue.claimDue({ ...all, now: 5 })).items.map(({ id }) => id),
    ["a"],
  );
});

test("a flush makes everything due, however many destinations, once", async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  const due = { created: 1_000 };
  const many = Array.from({ length: 250 }, (_, n) => item(`i${n}`, [`bob@d${n % 210}.test`], due));
  const one = Array.from({ length: 30 }, (_, n) => item(`o${n}`, Array(50).fill("x@one.test"), due));
  await Promise.all([...many, ...one].map((each) => queue.enqueue(each)));
  assert.deepEqual((await queue.flush({ at: 10 })).recipients, 250 + 30 * 50);
  assert.deepEqual((await queue.flush({ at: 10 })).recipients, 0);
  assert.equal(await queue.nextDue([]), 10);
});

test("a list is the oldest ahead, by state if asked for, and names what was set aside", async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  for (const [id, created] of Object.entries({ late: 30, early: 10, middle: 20, broken: 5 })) {
    await queue.enqueue(item(id, ["bob@one.test"], { created }));
  }
  await queue.setAside({ id: "broken", cause: "a test", at: 40 });
  await queue.manage({ verb: "hold", id: "late", at: 50 });
  const ids = async (query: Parameters<Queue["list"]>[0]) =>
    (await queue.list(query)).items.map(({ id }) => id);
  assert.deepEqual(await ids({ limit: 2 }), ["early", "middle"]);
  assert.deepEqual(await ids({ limit: 9, state: "held" }), ["late"]);
  assert.deepEqual(await ids({ limit: 9, state: "deferred" }), []);
  assert.deepEqual((await queue.list({ limit: 9 })).setAside, [{ id: "broken", at: 40, cause: "a test" }]);
  assert.deepEqual(await queue.asides(["broken", "late"]), [{ id: "broken", at: 40, cause: "a test" }]);
});

test("what is dropped is gone with all that belongs to it, set aside or not", async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  await queue.enqueue(item("a", ["bob@one.test", "eve@two.test"]));
  await queue.enqueue(item("broken", ["bob@one.test"]));
  await queue.setAside({ id: "broken", cause: "a test", at: 1 });
  assert.deepEqual(await queue.manage({ verb: "drop", id: "a", at: 5 }), { found: true, recipients: 2 });
  assert.deepEqual(await queue.manage({ verb: "drop", id: "broken", at: 5 }), { found: true, recipients: 0 });
  assert.deepEqual(await queue.manage({ verb: "drop", id: "a", at: 5 }), { found: false, recipients: 0 });
  assert.deepEqual(await queue.census(), { items: 0, held: 0, deferred: 0, unreadable: 0 });
  await assert.rejects(queue.body("a"));
});

test("a sender is not told of what was dropped meanwhile", async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  await queue.enqueue(item("a", ["bob@one.test"]));
  await queue.manage({ verb: "drop", id: "a", at: 5 });
  const dsn = item("dsn-a", ["alice@semail.test"]);
  assert.deepEqual(await queue.report({ id: "a", told: [{ seq: 0, owed: "failed" }], dsn }), {
    queued: false,
  });
  assert.equal((await queue.counts()).items, 0);
});

/** A runner of which the deliveries to `mx:one.test` hang until the test lets them go. */
function slow(queue: Queue) {
  const begun: string[] = [];
  const started = Promise.withResolvers<void>();
  const free = Promise.withResolvers<Result>();
  const runner = startRunner({
    ...{ queue, clock: new FakeClock(0), retry: RetrySettings.parse({}), random: () => 0.5, log: silentLog },
    deliver: async (_, { recipients, body }) => {
      begun.push(Buffer.from(body).toString());
      if (begun.length === 2) started.resolve();
      const result = await free.promise;
      return recipients.map(() => result);
    },
    composeDsn: () => assert.fail("nobody is to be told"),
  });
  return { begun, started: started.promise, free: free.resolve, runner };
}

for (const verb of ["hold", "drop"] as const) {
  test(`${verb} stops what is claimed and has not begun`, async () => {
    await using folder = await temporaryFolder();
    await using queue = await testQueue(folder.path);
    for (const id of ["a", "b", "c"]) {
      await queue.enqueue(item(id, ["bob@one.test"], { body: Buffer.from(id) }));
    }
    const { begun, started, free, runner } = slow(queue);
    // Two at a time for a destination: the third waits in memory.
    await started;
    assert.deepEqual(await queue.manage({ verb, id: "c", at: 0 }), { found: true, recipients: 1 });
    free(DELIVERED);
    while ((await queue.counts()).items > (verb === "hold" ? 1 : 0)) await queue.nextDue([]);
    await runner.stop();
    assert.deepEqual(begun.sort(), ["a", "b"]);
    assert.deepEqual(await states(queue, "c"), verb === "hold" ? ["held"] : undefined);
    assert.equal((await queue.counts()).unreadable, 0);
  });

  test(`${verb} of what is being delivered counts once that ends in vain`, async () => {
    await using folder = await temporaryFolder();
    await using queue = await testQueue(folder.path);
    for (const id of ["a", "b"]) await queue.enqueue(item(id, ["bob@one.test"]));
    const { started, free, runner } = slow(queue);
    await started;
    await queue.manage({ verb, id: "a", at: 0 });
    free(LATER);
    await runner.stop();
    assert.deepEqual(await states(queue, "a"), verb === "hold" ? ["held"] : undefined);
    assert.deepEqual(await states(queue, "b"), ["pending"]);
    assert.equal((await queue.counts()).unreadable, 0);
  });
}
