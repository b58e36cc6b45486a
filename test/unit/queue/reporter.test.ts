/** Notifications that can't be made now: they hold up nothing, and little of them is in memory. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DirectoryUnavailable } from "../../../mailserver/policy/recipient.ts";
import type { NewItem, Unreported } from "../../../mailserver/queue/item.ts";
import { type Queue, QueueFull } from "../../../mailserver/queue/queue.ts";
import { item, temporaryFolder, testQueue } from "../../support/queue.ts";
import { delivered, run, settledDown } from "./runner-support.ts";

const answer = { code: 550, status: "5.1.1", text: "nobody" };
const FAILED = { seq: 0, state: "failed", attempts: 1, answer, owed: "failed" } as const;
const NULL = { from: "", eightBit: false, smtputf8: false };

/** Items whose senders are owed a notification. */
async function owed(queue: Queue, ids: readonly string[], rest: Partial<NewItem> = {}): Promise<void> {
  const recipients = ["eve@two.test"];
  await queue.enqueueAll(ids.map((id) => item(id, recipients, { ...rest, claimed: true })));
  await Promise.all(ids.map((id) => queue.settle({ id, at: 0, settlements: [FAILED] })));
}

const named = (count: number, name: string): string[] =>
  Array.from({ length: count }, (_, n) => `${name}-${String(n).padStart(3, "0")}`);

const dsn = ({ id, envelope: { from } }: Unreported): NewItem =>
  item(`dsn-${id}`, [from], { envelope: NULL });

/** As often as it takes. */
async function until(queue: Queue, what: () => boolean): Promise<void> {
  for (let rounds = 0; !what(); rounds += 1) {
    assert.ok(rounds < 100, "it never came to that");
    await settledDown(queue);
  }
}

/** Makes notifications as long as the directory answers. */
function composer() {
  const asked: string[] = [];
  const told: string[] = [];
  const directory = { down: new Set<string>() };
  const composeDsn = async (of: Unreported): Promise<NewItem> => {
    asked.push(of.id);
    if (directory.down.has(of.id)) throw new DirectoryUnavailable("no answer");
    told.push(of.id);
    return dsn(of);
  };
  return { asked, told, directory, composeDsn };
}

test("while the directory is silent few notifications are tried, of few messages, and then each is sent once", async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  const ids = named(130, "a");
  await owed(queue, ids);
  const { asked, told, directory, composeDsn } = composer();
  directory.down = new Set(ids);
  let read = 0;
  const body: Queue["body"] = (id) => {
    read += 1;
    return queue.body(id);
  };
  const { runner, clock } = run({ ...queue, body }, () => delivered, { composeDsn });
  for (let pauses = 1; pauses <= 3; pauses += 1) {
    await until(queue, () => clock.armed);
    await settledDown(queue);
    assert.ok(asked.length <= 4 * pauses, `${asked.length} were asked for in ${pauses} pauses`);
    assert.equal(read, asked.length);
    assert.equal(await clock.jump(), 5_000 * pauses);
  }
  directory.down.clear();
  await until(queue, () => clock.armed || told.length > 0);
  if (clock.armed) await clock.jump();
  await until(queue, () => told.length === ids.length);
  await runner.stop();
  assert.deepEqual(told.toSorted(), ids);
});

test("senders for whom it is never known hold up no other", async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  const never = named(20, "a");
  await owed(queue, [...never, "b"]);
  const { told, directory, composeDsn } = composer();
  directory.down = new Set(never);
  const { runner, clock } = run(queue, () => delivered, { composeDsn });
  const pause = async (): Promise<void> => {
    await until(queue, () => clock.armed);
    await clock.jump();
  };
  while (told.length < 1 && clock.now() < 60_000) await pause();
  assert.deepEqual(told, ["b"]);
  const begun = clock.now();
  // One that comes later goes ahead of those that were tried.
  await queue.enqueue(item("c", ["bob@one.test"], { claimed: true }));
  const [recipient] = item("c", ["bob@one.test"]).recipients;
  assert.ok(recipient);
  const group = {
    item: { ...item("c", []), size: 1, recipients: [{ ...recipient, seq: 0, attempts: 0 }] },
    destination: recipient.destination,
    recipients: [{ ...recipient, seq: 0, attempts: 0 }],
  };
  runner.follow(group, Promise.resolve([{ kind: "permanent", reply: { code: 550, lines: ["nobody"] } }]));
  await settledDown(queue);
  if (told.length < 2) await pause();
  await until(queue, () => told.length === 2);
  assert.deepEqual(told, ["b", "c"]);
  assert.ok(clock.now() - begun <= 5_000);
  await runner.stop();
});

test("nor those of whom nobody is told", async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  const waiting = named(6, "a");
  await owed(queue, waiting);
  await owed(queue, named(3, "b"), { envelope: NULL });
  const { directory, composeDsn } = composer();
  directory.down = new Set(waiting);
  const { runner } = run(queue, () => delivered, { composeDsn });
  await settledDown(queue);
  await settledDown(queue);
  await runner.stop();
  assert.equal((await queue.counts()).items, waiting.length);
});

test("large messages are in memory one after the other", async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  await owed(queue, ["a", "b"], { body: Buffer.alloc(9 * 1024 * 1024, "x") });
  await owed(queue, ["c", "d"]);
  const made: { id: string; done: () => void }[] = [];
  const composeDsn = (of: Unreported): Promise<NewItem> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    made.push({ id: of.id, done: resolve });
    return promise.then(() => dsn(of));
  };
  const { runner } = run(queue, () => delivered, { composeDsn });
  await until(queue, () => made.length === 1);
  await settledDown(queue);
  assert.deepEqual(
    made.map(({ id }) => id),
    ["a"],
  );
  made[0]?.done();
  await until(queue, () => made.length === 4);
  for (const { done } of made) done();
  await until(queue, () => made.length === 4);
  await runner.stop();
});

test("the end does not wait for a notification that nobody answers for, and it is owed after the start", {
  timeout: 10_000,
}, async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  await owed(queue, named(6, "a"));
  const asked = Promise.withResolvers<void>();
  const composeDsn = (): Promise<NewItem> => {
    asked.resolve();
    return new Promise(() => {});
  };
  const { runner, clock } = run(queue, () => delivered, { composeDsn });
  await asked.promise;
  const stopping = runner.stop();
  assert.equal(await clock.jump(), 1_500);
  await stopping;
  assert.ok(!clock.armed);
  assert.equal((await queue.unreported({ id: null, at: 1 })).items.length, 6);
});

test("nor for a directory that is to be asked again", { timeout: 10_000 }, async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  await owed(queue, ["a"]);
  const { directory, composeDsn } = composer();
  directory.down.add("a");
  const { runner, clock } = run(queue, () => delivered, { composeDsn });
  await until(queue, () => clock.armed);
  await runner.stop();
  assert.ok(!clock.armed, "nothing is left to wake up for");
  assert.equal((await queue.unreported({ id: "a", at: 1 })).items.length, 1);
});

test("notifications that the disk has no room for hold up no other, and are sent once when it has some", async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  // As many as are made at the same time, and of as many bytes.
  const large = named(5, "a");
  await owed(queue, large, { body: Buffer.alloc(5 * 1_024 * 1_024, "x") });
  const small = named(3, "b");
  await owed(queue, small);
  const { composeDsn } = composer();
  const full = new Set(large);
  const queued: string[] = [];
  let inVain = 0;
  const report: Queue["report"] = async (change) => {
    if (full.has(change.id)) {
      inVain += 1;
      throw new QueueFull("the disk is full");
    }
    const done = await queue.report(change);
    if (done.queued) queued.push(change.id);
    return done;
  };
  const { runner, clock } = run({ ...queue, report }, () => delivered, { composeDsn });
  await until(queue, () => queued.length === small.length);
  assert.deepEqual(queued.toSorted(), small);
  for (let rounds = 0; rounds < 5; rounds += 1) await settledDown(queue);
  assert.equal(clock.now(), 0);
  assert.ok(inVain <= large.length, `${inVain} were tried without a pause`);
  full.clear();
  while (queued.length < large.length + small.length) {
    await until(queue, () => clock.armed || queued.length === large.length + small.length);
    if (clock.armed) await clock.jump();
  }
  assert.deepEqual(queued.toSorted(), [...large, ...small]);
  assert.ok(clock.now() <= 10_000, `${clock.now()} ms`);
  await runner.stop();
});
