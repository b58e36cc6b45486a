/** What can't be read, nor set aside, holds up nothing. */
import assert from "node:assert/strict";
import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { Asides } from "../../../mailserver/queue/aside.ts";
import { openDatabase } from "../../../mailserver/queue/database.ts";
import { TransactionUndone } from "../../../mailserver/queue/fault.ts";
import { Statements } from "../../../mailserver/queue/statements.ts";
import { item, temporaryFolder, testQueue } from "../../support/queue.ts";
import { delivered, run, settledDown } from "./runner-support.ts";

const all = { now: 10, limit: 2_000, except: [] };
const PAGE_BYTES = 4_096;

/** Opens the database's file beside the queue. */
function beside<T>(dir: string, work: (db: DatabaseSync) => T): T {
  const db = new DatabaseSync(join(dir, "queue.sqlite"));
  try {
    return work(db);
  } finally {
    db.close();
  }
}

const exec = (dir: string, sql: string): void => beside(dir, (db) => db.exec(sql));

/** A number that can't be read, where it is in the way of whoever would move the item. */
const IN_THE_WAY = "INSERT INTO history VALUES ('a', 0, 1, 9007199254740993, 'pending', '{}')";
const UNREADABLE = "UPDATE recipient SET address = '' WHERE item = 'a' AND seq = 0";

test("a damaged page of the database leaves alone whom it has, until the next start, and the rest flows", async () => {
  await using folder = await temporaryFolder();
  const ids = Array.from({ length: 150 }, (_, n) => `item-${n}`);
  {
    await using queue = await testQueue(folder.path);
    await Promise.all(ids.map((id) => queue.enqueue(item(id, [`bob@${id}.test`]))));
  }
  const page = beside(folder.path, (db) => {
    db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    const leaf = "SELECT pageno FROM dbstat WHERE name = 'recipient' AND pagetype = 'leaf' LIMIT 1";
    return Number(db.prepare(leaf).get()?.pageno);
  });
  const file = openSync(join(folder.path, "queue.sqlite"), "r+");
  writeSync(file, Buffer.alloc(PAGE_BYTES, 0x5a), 0, PAGE_BYTES, (page - 1) * PAGE_BYTES);
  closeSync(file);
  for (const start of ["the first", "the next"]) {
    await using queue = await testQueue(folder.path);
    const { items, setAside } = await queue.claimDue(all);
    assert.ok(items.length > 0 && setAside.length > 0, start);
    assert.deepEqual([...items, ...setAside].map(({ id }) => id).toSorted(), ids.toSorted());
    for (const { cause } of setAside)
      assert.match(cause, /^it can't be set aside, and is left alone until the next start: /);
    assert.deepEqual(await queue.claimDue(all), { items: [], setAside: [] });
    assert.equal(await queue.nextDue([]), undefined);
    assert.deepEqual(await queue.counts(), { items: ids.length, unreadable: 0 });
  }
});

test("of an item, the others are delivered to, and what came of that is told", async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  await queue.enqueue(item("a", ["bob@one.test", "eve@two.test"]));
  exec(folder.path, `${UNREADABLE}; ${IN_THE_WAY}`);
  const { items, setAside } = await queue.claimDue(all);
  assert.deepEqual(
    items.map(({ recipients }) => recipients.map(({ seq }) => seq)),
    [[1]],
  );
  assert.match(setAside[0]?.cause ?? "", /^it can't be set aside.*: recipient 0: address: .*; .*too large/);
  assert.deepEqual(await queue.claimDue(all), { items: [], setAside: [] });
  const answer = { code: 550, status: "5.1.1", text: "nobody" };
  const failed = { seq: 1, state: "failed", attempts: 1, answer, owed: "failed" } as const;
  assert.deepEqual(await queue.settle({ id: "a", at: 11, settlements: [failed] }), { idle: true });
  assert.equal((await queue.unreported({ id: "a", at: 12 })).items.length, 1);
  assert.deepEqual(await queue.counts(), { items: 1, unreadable: 0 });
});

test("and the attempt that finds it is not made again and again", async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  await queue.enqueue(item("a", ["bob@one.test"]));
  exec(folder.path, `UPDATE recipient SET address = 'bob'; ${IN_THE_WAY}`);
  let begun = 0;
  const begin: typeof queue.begin = (claim) => {
    begun += 1;
    return queue.begin(claim);
  };
  const { runner } = run({ ...queue, begin }, () => delivered);
  for (let rounds = 0; rounds < 3; rounds += 1) await settledDown(queue);
  await runner.stop();
  assert.equal(begun, 1);
  assert.deepEqual(await queue.counts(), { items: 1, unreadable: 0 });
  exec(folder.path, "DELETE FROM history");
  await using after = await testQueue(folder.path);
  const again = run(after, () => delivered);
  await settledDown(after);
  await again.runner.stop();
  assert.deepEqual(await after.counts(), { items: 0, unreadable: 1 });
});

test("and no recipient is deleted that could not be read", async () => {
  await using folder = await temporaryFolder();
  {
    await using queue = await testQueue(folder.path);
    for (const id of ["a", "b"]) await queue.enqueue(item(id, ["bob@one.test"]));
    exec(folder.path, "UPDATE recipient SET attempts = 9007199254740993 WHERE item = 'a'");
    const { items, setAside } = await queue.claimDue(all);
    assert.deepEqual([items.map(({ id }) => id), setAside.map(({ id }) => id)], [["b"], ["a"]]);
    assert.deepEqual(await queue.counts(), { items: 2, unreadable: 0 });
  }
  exec(folder.path, "UPDATE recipient SET attempts = 0");
  await using queue = await testQueue(folder.path);
  assert.equal((await queue.claimDue(all)).items.length, 2);
});

/** Of the second of two, where they can't be moved; and who of them is given out. */
const places: Readonly<Record<string, readonly [sql: string, given: readonly string[]]>> = {
  "bytes, where they can't be moved": [
    `SET seq = x'00' WHERE item = 'a' AND seq = 1; ${IN_THE_WAY}`,
    ["a", "b"],
  ],
  "text, where it can't be moved": [`SET seq = 'x' WHERE item = 'a' AND seq = 1; ${IN_THE_WAY}`, ["a", "b"]],
  "a number that can't be read": ["SET seq = 9007199254740993 WHERE item = 'a' AND seq = 1", ["b"]],
};
for (const [what, [change, given]] of Object.entries(places)) {
  test(`and the place of a recipient that can't be read holds up nothing: ${what}`, async () => {
    await using folder = await temporaryFolder();
    await using queue = await testQueue(folder.path);
    await queue.enqueue(item("a", ["bob@one.test", "eve@two.test"]));
    await queue.enqueue(item("b", ["kim@two.test"]));
    exec(folder.path, `UPDATE recipient ${change}`);
    const { items, setAside } = await queue.claimDue(all);
    assert.deepEqual(
      items.map(({ id }) => id),
      given,
    );
    assert.match(setAside[0]?.cause ?? "", /^it can't be set aside/);
    assert.deepEqual(await queue.claimDue(all), { items: [], setAside: [] });
    assert.equal(await queue.nextDue([]), undefined);
    assert.deepEqual(await queue.counts(), { items: 2, unreadable: 0 });
  });
}

test("a disk without room for another copy of a message sets its recipient aside, and the rest flows", async () => {
  await using folder = await temporaryFolder();
  {
    await using queue = await testQueue(folder.path);
    const body = Buffer.alloc(300_000, "x");
    await queue.enqueue(item("a", ["bob@one.test", "eve@two.test"], { body }));
    await queue.enqueue(item("b", ["kim@three.test"]));
  }
  exec(folder.path, UNREADABLE);
  const pages = beside(folder.path, (db) => Number(db.prepare("PRAGMA page_count").get()?.page_count));
  await using queue = await testQueue(folder.path, { maxPages: pages + 5 });
  const { items, setAside } = await queue.claimDue(all);
  assert.deepEqual(
    items.map(({ id, recipients }) => [id, recipients.length]),
    [
      ["a", 1],
      ["b", 1],
    ],
  );
  assert.deepEqual(
    setAside.map(({ stays }) => stays),
    [undefined],
  );
  assert.deepEqual(await queue.counts(), { items: 2, unreadable: 1 });
});

test("nothing is left alone for a fault that undid the transaction before it", async () => {
  await using folder = await temporaryFolder();
  const db = openDatabase(folder.path);
  const sql = new Statements(db);
  const asides = new Asides(sql, { forget: () => {}, forgetIfDone: () => {} });
  db.exec(`INSERT INTO recipient (item, seq, address, destination, state, attempts, next_attempt)
    VALUES ('a', 0, '', 'mx:one.test', 'pending', 0, 0)`);
  const put = () => asides.put({ id: "a", seqs: [0], cause: "a test", at: 1 });
  assert.throws(put, TransactionUndone);
  db.exec("BEGIN");
  assert.deepEqual(put(), { id: "a", cause: "a test" });
  db.exec("ROLLBACK");
  db.close();
});
