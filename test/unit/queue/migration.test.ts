import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { openDatabase } from "../../../mailserver/queue/database.ts";
import { STEPS } from "../../../mailserver/queue/schema.ts";
import { temporaryFolder, testQueue } from "../../support/queue.ts";

/** A queue as an earlier version left it, with one item that waits and one whose failure is not reported. */
async function old(dir: string): Promise<void> {
  const sql = await readFile(new URL("../../fixtures/queue/version-0.sql", import.meta.url), "utf8");
  const db = new DatabaseSync(join(dir, "queue.sqlite"));
  db.exec(sql);
  db.close();
}

const version = (dir: string): unknown => {
  const db = new DatabaseSync(join(dir, "queue.sqlite"));
  try {
    return db.prepare("PRAGMA user_version").get()?.user_version;
  } finally {
    db.close();
  }
};

test("a queue of before versions were counted goes on where it was", async () => {
  await using folder = await temporaryFolder();
  await old(folder.path);
  await using queue = await testQueue(folder.path);
  const { items, setAside } = await queue.claimDue({ now: 9_000, limit: 10, except: [] });
  assert.deepEqual(setAside, []);
  assert.deepEqual(
    items.map(({ id, recipients }) => [id, recipients.map(({ address, attempts }) => [address, attempts])]),
    [["waits", [["bob@one.test", 2]]]],
  );
  assert.equal(Buffer.from(await queue.body("waits")).toString(), "Subject: waits\r\n\r\n");
  assert.deepEqual(
    (await queue.show("waits"))?.history.map(({ at, answer }) => [at, answer.code]),
    [
      [1_000, 451],
      [2_000, 452],
    ],
  );
  const { items: failed } = await queue.unreported({ id: null, at: 9_000 });
  assert.deepEqual(
    failed.map(({ id, recipients }) => [id, recipients.map(({ address, answer }) => [address, answer.code])]),
    [["failed", [["eve@two.test", 550]]]],
  );
  assert.equal(version(folder.path), STEPS.length);
});

for (const damage of ["x'ff'", "'{broken'", "'[{}]'", `'[{"at":1,"seq":0,"state":"pending"}]'`]) {
  test(`a queue of before with a history that can't be read loses that alone: ${damage}`, async () => {
    await using folder = await temporaryFolder();
    await old(folder.path);
    const db = new DatabaseSync(join(folder.path, "queue.sqlite"));
    db.exec(`UPDATE item SET history = ${damage} WHERE id = 'waits'`);
    db.close();
    await using queue = await testQueue(folder.path);
    const { items } = await queue.claimDue({ now: 9_000, limit: 10, except: [] });
    assert.deepEqual(
      items.map(({ id }) => id),
      ["waits"],
    );
    assert.deepEqual((await queue.show("waits"))?.history, []);
    assert.equal((await queue.show("failed"))?.history.length, 1);
    assert.deepEqual(await queue.counts(), { items: 2, unreadable: 0 });
  });
}

test("a queue of a newer version is refused with both versions named, and left alone", async () => {
  await using folder = await temporaryFolder();
  openDatabase(folder.path).close();
  const db = new DatabaseSync(join(folder.path, "queue.sqlite"));
  db.exec(`PRAGMA user_version = ${STEPS.length + 1}`);
  db.close();
  assert.throws(
    () => openDatabase(folder.path),
    new RegExp(`tables of version ${STEPS.length + 1}, and this program knows ${STEPS.length}`),
  );
  assert.equal(version(folder.path), STEPS.length + 1);
});

test("a step that fails leaves the queue as it was", async () => {
  await using folder = await temporaryFolder();
  await old(folder.path);
  const db = new DatabaseSync(join(folder.path, "queue.sqlite"));
  db.exec("ALTER TABLE recipient ADD COLUMN originals TEXT");
  db.close();
  assert.throws(() => openDatabase(folder.path), /duplicate column/);
  assert.equal(version(folder.path), 0);
});

test("a queue of the version before notifications were asked for keeps what is to be reported", async () => {
  await using folder = await temporaryFolder();
  const db = new DatabaseSync(join(folder.path, "queue.sqlite"));
  for (const step of STEPS.slice(0, 3)) db.exec(step);
  db.exec(`PRAGMA user_version = 3;
    INSERT INTO item (id, created, envelope, size) VALUES
      ('a', 0, '{"from":"alice@semail.test","eightBit":false,"smtputf8":false}', 4);
    INSERT INTO body VALUES ('a', x'0d0a0d0a');
    INSERT INTO recipient (item, seq, address, destination, state, attempts, next_attempt, answer, reported) VALUES
      ('a', 0, 'bob@one.test', 'mx:one.test', 'pending', 1, 500, NULL, 0),
      ('a', 1, 'eve@two.test', 'mx:two.test', 'failed', 1, 0, '{"code":550,"status":"5.1.1","text":"no"}', 0),
      ('a', 2, 'kim@two.test', 'mx:two.test', 'failed', 1, 0, '{"code":550,"status":"5.1.1","text":"no"}', 1);`);
  db.close();
  {
    await using queue = await testQueue(folder.path);
    const { items } = await queue.unreported({ id: null, at: 1 });
    assert.deepEqual(
      items.map(({ recipients }) => recipients.map(({ address, owed }) => [address, owed])),
      [[["eve@two.test", "failed"]]],
    );
  }
  assert.equal(version(folder.path), STEPS.length);
});
