import assert from "node:assert/strict";
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { describe, mock, test } from "node:test";
import { QueueEnded } from "../../../mailserver/queue/queue.ts";
import { Store } from "../../../mailserver/queue/store.ts";
import { item, temporaryFolder, testQueue } from "../../support/queue.ts";

const BROKEN_DISK = new URL("../../fixtures/queue/broken-disk.ts", import.meta.url);
const answer = { code: 250, status: "2.0.0", text: "ok" };
const delivered = { seq: 0, state: "delivered", attempts: 1, answer } as const;
const all = { now: 1_000, limit: 1_000, except: [] };
const waits = mock.method(fs, "fdatasyncSync");
syncBuiltinESMExports();

/** What is done in one transaction with a store that holds the item "a", and whether the disk has to have it. */
const steps: Readonly<Record<string, readonly [work: (store: Store) => unknown, waits: boolean]>> = {
  "taking a message": [(store) => store.enqueue(item("b", ["bob@one.test"])), true],
  "taking none of several": [(store) => store.enqueueAll([]), false],
  "noting what an attempt found": [
    (store) => store.settle({ id: "a", at: 1, settlements: [delivered] }),
    true,
  ],
  "giving out what is due": [(store) => store.claimDue(all), false],
  "giving it back": [(store) => store.release({ id: "a", seqs: [0] }), false],
  "setting an item aside": [(store) => store.setAside({ id: "a", at: 1, cause: "fault" }), true],
  "holding an item": [(store) => store.manage({ verb: "hold", id: "a", at: 1 }), true],
  "making what waits due": [(store) => store.hasten({ destination: "mx:one.test", at: -1 }), true],
  "asking what is there": [(store) => [store.counts(), store.census(), store.show("a")], false],
};

describe("the disk", () => {
  for (const [step, [work, durable]] of Object.entries(steps)) {
    test(`is ${durable ? "" : "not "}waited for after ${step}`, async () => {
      await using folder = await temporaryFolder();
      const store = new Store({ dir: folder.path });
      store.transaction(() => store.enqueue(item("a", ["bob@one.test"])));
      const before = waits.mock.callCount();
      store.transaction(() => work(store));
      assert.equal(waits.mock.callCount() - before, durable ? 1 : 0);
      store.close();
    });
  }

  test("is not waited for after a transaction that was undone", async () => {
    await using folder = await temporaryFolder();
    const store = new Store({ dir: folder.path });
    const before = waits.mock.callCount();
    const failing = (): void => {
      store.enqueue(item("a", ["bob@one.test"]));
      throw new Error("no");
    };
    assert.throws(() => store.transaction(failing), /no/);
    assert.equal(waits.mock.callCount(), before);
    assert.equal(store.counts().items, 0);
    store.close();
  });
});

test("a disk that did not take a commit ends the queue: nothing is answered, and nothing follows", async () => {
  await using folder = await temporaryFolder();
  const queue = await testQueue(folder.path, { worker: BROKEN_DISK });
  const ended = assert.rejects(queue.failed, QueueEnded);
  const asked = ["a", "b"].map((id) => queue.enqueue(item(id, ["bob@one.test"])));
  for (const one of asked) await assert.rejects(one, QueueEnded);
  await ended;
  await assert.rejects(queue.counts(), QueueEnded);
});

test("what a log holds that may never have been waited for is in the database before anything follows it", async () => {
  await using folder = await temporaryFolder();
  await using killed = await temporaryFolder();
  const store = new Store({ dir: folder.path });
  store.transaction(() => store.enqueue(item("a", ["bob@one.test"])));
  // As it is found when its process was killed.
  for (const name of ["queue.sqlite", "queue.sqlite-wal"])
    fs.copyFileSync(`${folder.path}/${name}`, `${killed.path}/${name}`);
  store.close();
  const log = `${killed.path}/queue.sqlite-wal`;
  assert.ok(fs.statSync(log).size > 0);
  const next = new Store({ dir: killed.path });
  assert.deepEqual([fs.statSync(log).size, next.counts().items], [0, 1]);
  next.close();
});
