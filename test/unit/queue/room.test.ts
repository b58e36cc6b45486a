import assert from "node:assert/strict";
import { statfsSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { Queue } from "../../../mailserver/queue/queue.ts";
import { DiskRoom, NoRoom } from "../../../mailserver/queue/room.ts";
import { item, temporaryFolder, testQueue } from "../../support/queue.ts";

const SMALL_DISK = new URL("../../fixtures/queue/small-disk.ts", import.meta.url);
const MIB = 1_024 * 1_024;

test("messages are taken in while log, database and a reserve have room, and not after", async () => {
  await using folder = await temporaryFolder();
  const log = join(folder.path, "queue.sqlite-wal");
  writeFileSync(log, "");
  let reusable = 0;
  const room = new DiskRoom({ dir: folder.path, log: "queue.sqlite-wal", reusable: () => reusable });
  const { bavail, bsize } = statfsSync(folder.path);
  const free = bavail * bsize;
  const half = Math.floor(free / 2);
  // Others write to this disk too: nothing here is near the limit.
  assert.equal(room.has(1_000), true);
  assert.equal(room.has(half), false, "twice the message fills the disk, and nothing is left in reserve");
  reusable = half;
  assert.equal(room.has(half), true, "pages of the database that are free are used again");
  reusable = 0;
  // A sparse file: as long as the disk, without taking any of it.
  truncateSync(log, free);
  assert.equal(room.has(1_000), false, "the log has to fit into the database");
});

test("what was granted to a transaction is taken without asking again, and nothing beyond it", async () => {
  await using folder = await temporaryFolder();
  const log = join(folder.path, "queue.sqlite-wal");
  writeFileSync(log, "");
  const room = new DiskRoom({ dir: folder.path, log: "queue.sqlite-wal", reusable: () => 0 });
  const { bavail, bsize } = statfsSync(folder.path);
  assert.equal(room.grant(3_000), true);
  truncateSync(log, bavail * bsize);
  room.take(1_000);
  room.take(2_000);
  assert.throws(() => room.take(1), NoRoom, "the grant is used up");
  assert.equal(room.grant(3_000), false);
  assert.throws(() => room.take(1_000), NoRoom, "what was not granted is asked for one by one");
});

/** What wants room, and has it once the log of a burst of so many MiB is in the database. */
const wishes: Readonly<Record<string, readonly [burst: number, wish: (queue: Queue) => Promise<unknown>]>> = {
  "a message that is taken": [
    3,
    async (queue) => {
      await queue.enqueue(item("more", ["bob@one.test"], { body: Buffer.alloc(4 * MIB) }));
      return true;
    },
  ],
  "one of which is asked before": [3, (queue) => queue.hasRoom(4 * MIB)],
  "a notification": [
    4,
    async (queue) => {
      const answer = { code: 550, status: "5.1.1", text: "no such user" };
      const settlements = [{ seq: 0, state: "failed", attempts: 1, answer, owed: "failed" }] as const;
      await queue.settle({ id: "burst0", at: 1, settlements });
      const told = [{ seq: 0, owed: "failed" }] as const;
      const { queued } = await queue.report({ id: "burst0", told, dsn: item("dsn", ["alice@semail.test"]) });
      return queued;
    },
  ],
};

describe("a log that is long since much was written at once takes no room from", () => {
  for (const [what, [burst, wish]] of Object.entries(wishes)) {
    test(what, async () => {
      await using folder = await temporaryFolder();
      await using queue = await testQueue(folder.path, { worker: SMALL_DISK });
      const items = Array.from({ length: burst }, (_, index) =>
        item(`burst${index}`, ["bob@one.test"], { body: Buffer.alloc(MIB) }),
      );
      await queue.enqueueAll(items);
      assert.ok(statSync(join(folder.path, "queue.sqlite-wal")).size > burst * MIB);
      assert.equal(await wish(queue), true);
    });
  }
});
