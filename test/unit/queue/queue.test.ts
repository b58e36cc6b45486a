import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { QueueError, QueueFull } from "../../../mailserver/queue/queue.ts";
import { item, temporaryFolder, testQueue } from "../../support/queue.ts";

const all = { now: 1_000, limit: 1_000, except: [] };
const answer = { code: 250, status: "2.0.0", text: "ok" };

test("an item comes out as it went in, and only once", async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  await queue.enqueue(item("a", ["bob@one.test", "eve@two.test"]));
  const { items } = await queue.claimDue(all);
  assert.deepEqual(items, [
    {
      id: "a",
      created: 0,
      size: 25,
      envelope: { from: "alice@semail.test", eightBit: false, smtputf8: false },
      recipients: [
        { seq: 0, address: "bob@one.test", destination: "mx:one.test", attempts: 0 },
        { seq: 1, address: "eve@two.test", destination: "mx:two.test", attempts: 0 },
      ],
    },
  ]);
  assert.equal(Buffer.from(await queue.body("a")).toString(), "Subject: hello\r\n\r\nhello\r\n");
  assert.deepEqual((await queue.claimDue(all)).items, []);
});

test("recipients are settled one by one, and the last one takes the item away", async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  await queue.enqueue(item("a", ["bob@one.test", "eve@two.test"]));
  await queue.claimDue(all);
  const delivered = { state: "delivered", attempts: 1, answer } as const;
  assert.deepEqual(await queue.settle({ id: "a", at: 5, settlements: [{ seq: 0, ...delivered }] }), {
    idle: false,
  });
  const view = await queue.show("a");
  assert.deepEqual(
    view?.recipients.map(({ state }) => state),
    ["delivered", "pending"],
  );
  assert.deepEqual(view?.history, [{ at: 5, seq: 0, state: "delivered", answer }]);
  assert.deepEqual(await queue.settle({ id: "a", at: 6, settlements: [{ seq: 1, ...delivered }] }), {
    idle: true,
    gone: true,
  });
  assert.deepEqual(await queue.counts(), { items: 0, unreadable: 0 });
});

test("a deferred recipient is due at its time, not before", async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  await queue.enqueue(item("a", ["bob@one.test"]));
  await queue.claimDue(all);
  await queue.settle({
    id: "a",
    at: 5,
    settlements: [{ seq: 0, state: "pending", attempts: 1, nextAttempt: 2_000, answer }],
  });
  assert.deepEqual((await queue.claimDue({ ...all, now: 1_999 })).items, []);
  assert.equal(await queue.nextDue([]), 2_000);
  assert.equal((await queue.claimDue({ ...all, now: 2_000 })).items[0]?.recipients[0]?.attempts, 1);
  assert.equal(await queue.nextDue([]), undefined);
});

test("what was in flight is due again after reopening, once", async () => {
  await using folder = await temporaryFolder();
  {
    await using queue = await testQueue(folder.path);
    await queue.enqueue(item("a", ["bob@one.test"]));
    assert.equal((await queue.claimDue(all)).items.length, 1);
  }
  await using queue = await testQueue(folder.path);
  assert.equal((await queue.claimDue(all)).items.length, 1);
  assert.equal((await queue.claimDue(all)).items.length, 0);
});

test("an item whose delivery has begun elsewhere is given to nobody, and is due again after reopening", async () => {
  await using folder = await temporaryFolder();
  const before = await testQueue(folder.path);
  await before.enqueue({ ...item("a", ["bob@one.test", "eve@two.test"]), claimed: true });
  assert.deepEqual((await before.claimDue(all)).items, []);
  assert.equal(await before.nextDue([]), undefined);
  await before.close();
  await using queue = await testQueue(folder.path);
  assert.equal((await queue.claimDue(all)).items[0]?.recipients.length, 2);
});

test("busy destinations are left out", async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  await queue.enqueue(item("a", ["bob@one.test", "eve@two.test"]));
  const { items } = await queue.claimDue({ ...all, except: ["mx:one.test"] });
  assert.deepEqual(
    items[0]?.recipients.map(({ address }) => address),
    ["eve@two.test"],
  );
});

test("a long line at one destination leaves room for the others", async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  const ids = Array.from({ length: 300 }, (_, index) => `dead-${index}`);
  await Promise.all(ids.map((id) => queue.enqueue(item(id, ["bob@dead.test"]))));
  await queue.enqueue(item("other", ["eve@two.test"], { created: 1 }));
  const { items } = await queue.claimDue({ ...all, limit: 100 });
  assert.equal(items.length, 21);
  assert.ok(items.some(({ id }) => id === "other"));
});

test("a destination that takes mail again is due with all that waits for it, in steps", async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  const ids = Array.from({ length: 2_100 }, (_, index) => `a-${index}`);
  await Promise.all(ids.map((id) => queue.enqueue(item(id, ["bob@one.test"], { created: 9_000 }))));
  await queue.enqueue(item("other", ["eve@two.test"], { created: 9_000 }));
  let woken = 0;
  queue.onEnqueued(() => {
    woken += 1;
  });
  await queue.hasten({ destination: "mx:one.test", at: 500 });
  assert.equal(woken, 3);
  let found = 0;
  for (let claimed = -1; claimed !== 0; found += claimed) claimed = (await queue.claimDue(all)).items.length;
  assert.equal(found, 2_100);
  assert.equal(await queue.nextDue([]), 9_000);
});

test("a failure is final before it is reported, and is reported once", async () => {
  await using folder = await temporaryFolder();
  const failed = { code: 550, status: "5.1.1", text: "no" };
  {
    await using queue = await testQueue(folder.path);
    await queue.enqueue(item("a", ["bob@one.test"]));
    await queue.claimDue(all);
    await queue.settle({
      id: "a",
      at: 5,
      settlements: [{ seq: 0, state: "failed", attempts: 1, answer: failed, owed: "failed" }],
    });
  }
  // The daemon died between the outcome and its notification.
  {
    await using queue = await testQueue(folder.path);
    assert.deepEqual((await queue.claimDue(all)).items, []);
    const { items } = await queue.unreported({ id: null, at: 6 });
    assert.deepEqual(items[0]?.recipients, [
      { seq: 0, address: "bob@one.test", state: "failed", owed: "failed", answer: failed },
    ]);
    await queue.report({
      id: "a",
      told: [{ seq: 0, owed: "failed" }],
      dsn: item("dsn", ["alice@semail.test"]),
    });
  }
  await using queue = await testQueue(folder.path);
  assert.deepEqual((await queue.unreported({ id: null, at: 7 })).items, []);
  assert.deepEqual(
    (await queue.claimDue(all)).items.map(({ id }) => id),
    ["dsn"],
  );
});

test("a report that finds no room leaves the failure to be reported later", async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  await queue.enqueue(item("a", ["bob@one.test"]));
  await queue.claimDue(all);
  await queue.settle({
    id: "a",
    at: 5,
    settlements: [{ seq: 0, state: "failed", attempts: 1, answer, owed: "failed" }],
  });
  // The notification's id is taken: the whole transaction is undone.
  await assert.rejects(
    queue.report({ id: "a", told: [{ seq: 0, owed: "failed" }], dsn: item("a", ["alice@semail.test"]) }),
  );
  assert.equal((await queue.unreported({ id: "a", at: 6 })).items.length, 1);
});

test("what a recipient was called before comes back with it, and with its failure", async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  const [to] = item("a", ["bob@one.test"]).recipients;
  assert.ok(to !== undefined);
  const originals = ["ann@semail.test", "ben@semail.test"];
  await queue.enqueue(item("a", [], { recipients: [{ ...to, originals }] }));
  assert.deepEqual((await queue.claimDue(all)).items[0]?.recipients[0]?.originals, originals);
  assert.deepEqual((await queue.show("a"))?.recipients[0]?.originals, originals);
  await queue.settle({
    id: "a",
    at: 5,
    settlements: [{ seq: 0, state: "failed", attempts: 1, answer, owed: "failed" }],
  });
  const { items } = await queue.unreported({ id: "a", at: 6 });
  assert.deepEqual(items[0]?.recipients[0]?.originals, originals);
});

const damages = {
  "an envelope that is no JSON": "UPDATE item SET envelope = '{broken' WHERE id = 'bad'",
  "an envelope of another shape": `UPDATE item SET envelope = '{"sender":1}' WHERE id = 'bad'`,
  "an envelope that is no text": "UPDATE item SET envelope = x'ff' WHERE id = 'bad'",
  "a recipient without address": "UPDATE recipient SET address = '' WHERE item = 'bad'",
  "recipients without item": "DELETE FROM item WHERE id = 'bad'",
};
for (const [name, sql] of Object.entries(damages)) {
  test(`set aside while the rest flows: ${name}`, async () => {
    await using folder = await temporaryFolder();
    {
      await using queue = await testQueue(folder.path);
      for (const id of ["before", "bad", "later"]) await queue.enqueue(item(id, ["bob@one.test"]));
    }
    const db = new DatabaseSync(join(folder.path, "queue.sqlite"));
    db.exec(sql);
    db.close();
    await using queue = await testQueue(folder.path);
    const { items, setAside } = await queue.claimDue(all);
    assert.deepEqual(
      items.map(({ id }) => id),
      ["before", "later"],
    );
    assert.deepEqual(
      setAside.map(({ id }) => id),
      ["bad"],
    );
    assert.equal((await queue.counts()).unreadable, 1);
    assert.deepEqual((await queue.claimDue(all)).setAside, []);
  });
}

test("a full disk is told apart, spares the others, and mail flows when there is room", async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path, { maxPages: 64 });
  const large = { body: Buffer.alloc(1_000_000, "x") };
  const results = await Promise.allSettled([
    queue.enqueue(item("small-1", ["bob@one.test"])),
    queue.enqueue(item("large", ["bob@one.test"], large)),
    queue.enqueue(item("small-2", ["bob@one.test"])),
  ]);
  assert.deepEqual(
    results.map(({ status }) => status),
    ["fulfilled", "rejected", "fulfilled"],
  );
  const [, refused] = results;
  assert.ok(refused?.status === "rejected" && refused.reason instanceof QueueFull);
  const fill = { body: Buffer.alloc(50_000, "x") };
  let stored = 0;
  await assert.rejects(async () => {
    for (; ; stored++) await queue.enqueue(item(`fill-${stored}`, ["bob@one.test"], fill));
  }, QueueFull);
  assert.ok(stored > 0);
  await queue.claimDue(all);
  await queue.settle({
    id: "fill-0",
    at: 5,
    settlements: [{ seq: 0, state: "delivered", attempts: 1, answer }],
  });
  await queue.enqueue(item("again", ["bob@one.test"], fill));
});

test("after the worker's death every call is refused at once, and closing ends", {
  timeout: 10_000,
}, async () => {
  const mortal = `import { parentPort } from "node:worker_threads";
    parentPort.once("message", () => process.exit(1));
    parentPort.postMessage("open");`;
  const worker = new URL(`data:text/javascript,${encodeURIComponent(mortal)}`);
  await using queue = await testQueue("/nonexistent", { worker });
  await assert.rejects(queue.enqueue(item("a", ["bob@one.test"])), QueueError);
  await assert.rejects(queue.failed, QueueError);
  await assert.rejects(queue.counts(), QueueError);
});

test("messages that arrive together share commits", async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  const ids = Array.from({ length: 200 }, (_, index) => `m${index}`);
  await Promise.all(ids.map((id) => queue.enqueue(item(id, ["bob@one.test"]))));
  assert.equal((await queue.counts()).items, 200);
  const commits = countCommits(await readFile(join(folder.path, "queue.sqlite-wal")));
  assert.ok(commits < 50, `${commits} commits for 200 messages`);
});

/** https://sqlite.org/fileformat2.html#the_write_ahead_log: a commit frame says how large the database is after it. */
function countCommits(wal: Buffer): number {
  const frame = 24 + wal.readUInt32BE(8);
  let commits = 0;
  for (let at = 32; at + frame <= wal.length; at += frame) if (wal.readUInt32BE(at + 4) !== 0) commits += 1;
  return commits;
}

test("every acknowledged message is there after SIGKILL", async () => {
  await using folder = await temporaryFolder();
  const script = new URL("../../fixtures/queue/enqueue-forever.ts", import.meta.url).pathname;
  const child = spawn(process.execPath, [script, folder.path], { stdio: ["ignore", "pipe", "inherit"] });
  const acknowledged: string[] = [];
  for await (const id of createInterface({ input: child.stdout })) {
    acknowledged.push(id);
    if (acknowledged.length === 300) child.kill("SIGKILL");
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  assert.equal(child.signalCode, "SIGKILL");
  await using queue = await testQueue(folder.path);
  const found = new Set<string>();
  for (let more = true; more; ) {
    const { items, setAside } = await queue.claimDue({
      now: Number.MAX_SAFE_INTEGER,
      limit: 1_000,
      except: [],
    });
    assert.deepEqual(setAside, []);
    for (const { id } of items) found.add(id);
    more = items.length > 0;
  }
  assert.deepEqual(
    acknowledged.filter((id) => !found.has(id)),
    [],
  );
  for (const id of acknowledged) assert.equal((await queue.body(id)).length, 4_096);
});
