/** What of the queue's log goes into its database, and when. */
import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { describe, mock, test } from "node:test";
import { Worker } from "node:worker_threads";
import { FILE, LOG } from "../../../mailserver/queue/database.ts";
import type { QueueWorkerData, Request } from "../../../mailserver/queue/protocol.ts";
import { Store } from "../../../mailserver/queue/store.ts";
import { NotDurable } from "../../../mailserver/queue/transactions.ts";
import { item, temporaryFolder } from "../../support/queue.ts";
import { files, killedQueue, same } from "./log-support.ts";

const BROKEN_DISK = new URL("../../fixtures/queue/broken-disk.ts", import.meta.url);
const PAGE_BYTES = 4_096;
/** With the page's head in the log. */
const FRAME_BYTES = PAGE_BYTES + 24;
const LONG_LOG = 1_000;
const waits = mock.method(fs, "fdatasyncSync");
syncBuiltinESMExports();

const message = (id: string, pages: number) =>
  item(id, ["bob@one.test"], { body: Buffer.alloc(pages * PAGE_BYTES, id) });
const broken = (): never => {
  throw new Error("EIO: i/o error, fdatasync");
};

/** Pages of a message, and whether they go into the database with it. */
const commits: Readonly<Record<string, readonly [pages: number, moves: boolean]>> = {
  "a short one stays in the log": [10, false],
  "a long one goes into the database": [LONG_LOG, true],
};

describe("a commit is in the log when the disk is waited for, and nowhere else:", () => {
  for (const [what, [pages, moves]] of Object.entries(commits)) {
    test(`then ${what}`, async () => {
      await using folder = await temporaryFolder();
      const store = new Store({ dir: folder.path });
      const before = files(folder.path);
      let waited: Buffer[] = [];
      waits.mock.mockImplementationOnce(() => {
        waited = files(folder.path);
      });
      store.transaction(() => store.enqueue(message("a", pages)));
      assert.ok(same(waited.slice(0, 1), before.slice(0, 1)));
      assert.ok(Number(waited[1]?.length) > Number(before[1]?.length) + pages * PAGE_BYTES);
      assert.equal(same(files(folder.path), waited), !moves);
      store.close();
    });
  }

  test("the log is written anew from its front once it is long", async () => {
    await using folder = await temporaryFolder();
    const store = new Store({ dir: folder.path });
    const before = waits.mock.callCount();
    const pages = 100;
    const count = (5 * LONG_LOG) / pages;
    for (let n = 0; n < count; n += 1) store.transaction(() => store.enqueue(message(`${n}`, pages)));
    assert.equal(waits.mock.callCount() - before, count);
    assert.ok(fs.statSync(join(folder.path, LOG)).size < (LONG_LOG + 2 * pages) * FRAME_BYTES);
    store.close();
  });
});

/** What finds that the disk did not take the log. */
const finds: Readonly<Record<string, (store: Store) => unknown>> = {
  "a short commit": (store) => store.transaction(() => store.enqueue(message("b", 1))),
  "a long commit": (store) => store.transaction(() => store.enqueue(message("b", LONG_LOG))),
  "a log that is to begin anew": (store) => store.checkpoint(),
};

describe("when the disk did not take the log nothing of it goes into the database, nor is it removed:", () => {
  for (const [what, find] of Object.entries(finds)) {
    test(`found by ${what}`, async () => {
      await using folder = await temporaryFolder();
      const store = new Store({ dir: folder.path });
      store.transaction(() => store.enqueue(message("a", 10)));
      let found: Buffer[] = [];
      waits.mock.mockImplementationOnce(() => {
        found = files(folder.path);
        broken();
      });
      assert.throws(() => find(store), NotDurable);
      assert.throws(() => store.counts(), /not open/);
      assert.ok(same(files(folder.path), found));
      // Another start writes the log again.
      const next = new Store({ dir: folder.path });
      assert.ok(next.counts().items >= 1);
      next.close();
    });
  }

  test("not when the thread ends", async () => {
    await using folder = await temporaryFolder();
    const queueStore = { dir: folder.path };
    const worker = new Worker(BROKEN_DISK, { workerData: { queueStore } satisfies QueueWorkerData });
    const ended = new Promise((resolve) => worker.once("exit", resolve));
    const failed = new Promise((resolve) => worker.once("error", resolve));
    await once(worker, "message");
    const [before = Buffer.of()] = files(folder.path);
    const request = { number: 0, operation: "enqueue", argument: message("a", LONG_LOG) } as const;
    worker.postMessage([request satisfies Request]);
    assert.equal(((await failed) as Error).name, "NotDurable");
    await ended;
    const [after, log] = files(folder.path);
    assert.ok(after?.equals(before));
    assert.ok(Number(log?.length) > LONG_LOG * PAGE_BYTES);
  });

  test("nor when it can't be written again at the start", async () => {
    await using killed = await killedQueue(message("a", 10));
    const before = files(killed.path);
    waits.mock.mockImplementationOnce(broken);
    assert.throws(() => new Store({ dir: killed.path }), /EIO/);
    assert.ok(same(files(killed.path), before));
  });
});

test("a queue that is closed has all in its database, and keeps its log, which a full disk has no room to make", async () => {
  await using folder = await temporaryFolder();
  const store = new Store({ dir: folder.path });
  store.transaction(() => store.enqueue(message("a", 10)));
  const [, before] = files(folder.path);
  store.close();
  const [, log] = files(folder.path);
  assert.ok(before !== undefined && log?.equals(before));
  await using alone = await temporaryFolder();
  fs.copyFileSync(join(folder.path, FILE), join(alone.path, FILE));
  for (const dir of [folder.path, alone.path]) {
    const next = new Store({ dir });
    assert.equal(next.counts().items, 1);
    next.close();
  }
});
