/** A start on a disk that is full where a log can't even be written over itself: Btrfs, ZFS, a thin volume. */
import assert from "node:assert/strict";
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, mock, test } from "node:test";
import { FILE, openDatabase } from "../../../mailserver/queue/database.ts";
import { NoRoom } from "../../../mailserver/queue/room.ts";
import { STEPS } from "../../../mailserver/queue/schema.ts";
import { Store } from "../../../mailserver/queue/store.ts";
import { NotDurable } from "../../../mailserver/queue/transactions.ts";
import { item, temporaryFolder } from "../../support/queue.ts";
import { DONE } from "./aside-support.ts";
import { files, killedQueue, same } from "./log-support.ts";

type Call = "writeSync" | "fdatasyncSync";

/** A disk of which this call fails so, until it is done with. */
function failing(call: Call, code: string): Disposable & { readonly calls: () => number } {
  const calls = mock.method(fs, call, () => {
    throw Object.assign(new Error(`${code}: ${call}`), { code });
  });
  syncBuiltinESMExports();
  return {
    calls: () => calls.mock.callCount(),
    [Symbol.dispose]: () => {
      calls.mock.restore();
      syncBuiltinESMExports();
    },
  };
}

const ways: readonly (readonly [Call, code: string])[] = [
  ["writeSync", "ENOSPC"],
  ["writeSync", "EDQUOT"],
  ["fdatasyncSync", "ENOSPC"],
  ["fdatasyncSync", "EDQUOT"],
];
const changes: Readonly<Record<string, (store: Store) => unknown>> = {
  "a message that is taken": (store) => store.transaction(() => store.enqueue(item("b", ["bob@one.test"]))),
  "what became of one": (store) =>
    store.transaction(() => store.settle({ id: "a", at: 1, settlements: [{ ...DONE, seq: 0 }] })),
  "a log that is to begin anew": (store) => store.checkpoint(),
};

for (const [call, code] of ways) {
  describe(`a log that can't be written again for lack of room (${code} of ${call})`, () => {
    test("keeps nobody from asking, and from having what is due", async () => {
      await using killed = await killedQueue(item("a", ["bob@one.test"]));
      using _ = failing(call, code);
      const store = new Store({ dir: killed.path });
      const given = store.transaction(() => store.claimDue({ now: 1, limit: 10, except: [] }));
      assert.deepEqual(
        given.items.map(({ id }) => id),
        ["a"],
      );
      assert.equal(store.transaction(() => store.counts()).items, 1);
      store.close();
    });

    for (const [what, change] of Object.entries(changes)) {
      test(`is followed by nothing, until there is room: ${what}`, async () => {
        await using killed = await killedQueue(item("a", ["bob@one.test"]));
        const before = files(killed.path);
        let store: Store;
        {
          using _ = failing(call, code);
          store = new Store({ dir: killed.path });
          for (let tries = 0; tries < 2; tries += 1) assert.throws(() => change(store), NoRoom);
        }
        assert.ok(same(files(killed.path), before));
        change(store);
        store.close();
      });
    }

    test("is not moved into the database by the close", async () => {
      await using killed = await killedQueue(item("a", ["bob@one.test"]));
      const before = files(killed.path);
      using _ = failing(call, code);
      new Store({ dir: killed.path }).close();
      assert.ok(same(files(killed.path), before));
    });
  });
}

test("once there is room it is written again once, and then what follows is", async () => {
  await using killed = await killedQueue(item("a", ["bob@one.test"]));
  let store: Store;
  {
    using disk = failing("writeSync", "ENOSPC");
    store = new Store({ dir: killed.path });
    assert.equal(disk.calls(), 1);
  }
  const waits = mock.method(fs, "fdatasyncSync");
  syncBuiltinESMExports();
  for (const id of ["b", "c"]) store.transaction(() => store.enqueue(item(id, ["bob@one.test"])));
  assert.equal(waits.mock.callCount(), 3);
  waits.mock.restore();
  syncBuiltinESMExports();
  assert.equal(store.counts().items, 3);
  store.close();
});

test("a disk that fails in another way meanwhile ends the queue", async () => {
  await using killed = await killedQueue(item("a", ["bob@one.test"]));
  const before = files(killed.path);
  let store: Store;
  {
    using _ = failing("writeSync", "ENOSPC");
    store = new Store({ dir: killed.path });
  }
  using _ = failing("fdatasyncSync", "EIO");
  assert.throws(() => store.transaction(() => store.enqueue(item("b", ["bob@one.test"]))), NotDurable);
  assert.throws(() => store.counts(), /not open/);
  assert.ok(same(files(killed.path), before));
});

/** What a start has to change before anything else. */
const needed: Readonly<Record<string, string>> = {
  "tables of a version before": `PRAGMA user_version = ${STEPS.length - 1}`,
  "a message that would be deleted": `INSERT INTO unreadable (id, at, cause, item, recipients)
    VALUES ('a', 1, 'a test', '[]', '[]')`,
};
for (const [what, sql] of Object.entries(needed)) {
  test(`a start that has to change something waits for room: ${what}`, async () => {
    await using folder = await temporaryFolder();
    const store = new Store({ dir: folder.path });
    store.transaction(() => store.enqueue(item("a", ["bob@one.test"])));
    const other = new DatabaseSync(join(folder.path, FILE));
    other.exec(sql);
    await using killed = await temporaryFolder();
    fs.cpSync(folder.path, killed.path, { recursive: true });
    other.close();
    store.close();
    const before = files(killed.path);
    using _ = failing("writeSync", "ENOSPC");
    assert.throws(() => openDatabase(killed.path), NoRoom);
    assert.ok(same(files(killed.path), before));
  });
}
