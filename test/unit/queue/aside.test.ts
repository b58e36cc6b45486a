/** What can't be read is set aside, that alone. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { openDatabase } from "../../../mailserver/queue/database.ts";
import { ItemUnreadable, type Queue } from "../../../mailserver/queue/queue.ts";
import { Statements } from "../../../mailserver/queue/statements.ts";
import { item, temporaryFolder, testQueue } from "../../support/queue.ts";
import { ANSWER, all, DONE, damaged, exec, LATER, of, restore, THREE } from "./aside-support.ts";
import { delivered, run, settledDown } from "./runner-support.ts";

const broken: Readonly<Record<string, readonly [sql: string, cause: RegExp]>> = {
  "no address": [of(1, "address = ''"), /^recipient 1: address: /],
  "an address that is no text": [of(1, "address = x'ff'"), /^recipient 1: address: /],
  "an answer that is no JSON": [of(1, "answer = '{'"), /^recipient 1: answer: not JSON/],
  "an answer of another shape": [of(1, `answer = '{"code":"x"}'`), /^recipient 1: answer: code: /],
  "names that are none": [of(1, "originals = '[]'"), /^recipient 1: originals: /],
  "wishes that nobody knows": [of(1, `notify = '["LATER"]'`), /^recipient 1: notify: /],
  "a number that is none": [of(1, "attempts = 'x'"), /^recipient 1: attempts: /],
  "a place that is bytes": [of(1, "seq = x'ff'"), /^recipient 255: seq: /],
  "a place that is bytes, which look like another's": [of(1, "seq = x'00'"), /^recipient 0: seq: /],
  "a place that is no bytes at all": [of(1, "seq = x''"), /^recipient : seq: /],
  "a place that is text": [of(1, "seq = 'x'"), /^recipient x: seq: /],
  "a place between two": [of(1, "seq = 1.5"), /^recipient 1.5: seq: /],
};

describe("of an item, only who can't be read is set aside:", () => {
  for (const [what, [sql, cause]] of Object.entries(broken)) {
    test(what, async () => {
      await using folder = await temporaryFolder();
      await using queue = await damaged(folder.path, sql, item("a", THREE));
      const { items, setAside } = await queue.claimDue(all);
      assert.deepEqual(
        items.map(({ recipients }) => recipients.map(({ seq }) => seq)),
        [[0, 2]],
      );
      assert.deepEqual(
        setAside.map(({ id }) => id),
        ["a"],
      );
      assert.match(setAside[0]?.cause ?? "", cause);
      assert.deepEqual(await queue.counts(), { items: 1, unreadable: 1 });
      assert.deepEqual((await queue.claimDue(all)).setAside, []);
      assert.equal(await queue.nextDue([]), undefined);
    });
  }

  test("a place that looks like that of one who has the message, who has it once", async () => {
    await using folder = await temporaryFolder();
    await using queue = await testQueue(folder.path);
    await queue.enqueue(item("a", ["bob@one.test", "eve@two.test"]));
    await queue.claimDue(all);
    await queue.settle({ id: "a", at: 11, settlements: [{ ...DONE, seq: 0 }] });
    await queue.release({ id: "a", seqs: [1] });
    exec(folder.path, of(1, "seq = x'00'"));
    assert.equal(await queue.begin({ id: "a", seqs: [0] }), undefined);
    const { items, setAside } = await queue.claimDue(all);
    assert.deepEqual([items, setAside.length], [[], 1]);
    assert.deepEqual(await queue.counts(), { items: 0, unreadable: 1 });
  });

  test("a place that looks like that of the last one, whose end leaves it there", async () => {
    await using folder = await temporaryFolder();
    await using queue = await testQueue(folder.path);
    await queue.enqueue(item("a", ["bob@one.test", "eve@two.test"]));
    await queue.claimDue(all);
    exec(folder.path, of(1, "seq = x'00'"));
    const settled = await queue.settle({ id: "a", at: 11, settlements: [{ ...DONE, seq: 0 }] });
    assert.equal(settled.gone, undefined);
    assert.equal((await queue.claimDue(all)).setAside.length, 1);
  });

  test("an address that is none, found when it is delivered to", async () => {
    await using folder = await temporaryFolder();
    await using queue = await damaged(folder.path, of(1, "address = 'eve'"), item("a", THREE));
    const { seen, runner } = run(queue, () => delivered);
    await settledDown(queue);
    await settledDown(queue);
    await runner.stop();
    assert.deepEqual(
      seen.flatMap(({ delivery }) => delivery.recipients.map(({ text }) => text)),
      ["bob@one.test", "kim@three.test"],
    );
    assert.deepEqual(await queue.counts(), { items: 0, unreadable: 1 });
    assert.equal((await queue.asides(["a"]))[0]?.cause, "recipient 1: eve is no address");
  });

  test("and nobody for an address that is odd and real", async () => {
    await using folder = await temporaryFolder();
    await using queue = await testQueue(folder.path);
    const odd = ["a..b@docomo.test", "user.@docomo.test", "eve@under_score.test"];
    await queue.enqueue({
      ...item("a", odd),
      envelope: { from: ".x@news_letter.test", eightBit: false, smtputf8: false },
    });
    await queue.setAside({ id: "a", cause: "by hand", at: 0 });
    assert.deepEqual(await queue.manage({ verb: "restore", id: "a", at: 0 }), { found: true, recipients: 3 });
    const { seen, runner } = run(queue, () => delivered);
    await settledDown(queue);
    await runner.stop();
    const to = seen.flatMap(({ delivery }) => delivery.recipients.map(({ text }) => text));
    assert.deepEqual(to.toSorted(), odd.toSorted());
    assert.deepEqual(await queue.counts(), { items: 0, unreadable: 0 });
  });

  test("an address that is none beside others of its destination", async () => {
    await using folder = await temporaryFolder();
    const together = item("a", ["bob@one.test", "eve@one.test"]);
    await using queue = await damaged(folder.path, of(0, "address = 'bob'"), together);
    const { seen, runner } = run(queue, () => delivered);
    await settledDown(queue);
    await settledDown(queue);
    await runner.stop();
    assert.deepEqual(
      seen.map(({ delivery }) => delivery.recipients.map(({ text }) => text)),
      [["eve@one.test"]],
    );
    assert.deepEqual(await queue.counts(), { items: 0, unreadable: 1 });
  });

  test("one of whom the sender is to be told", async () => {
    await using folder = await temporaryFolder();
    const failed = `UPDATE recipient SET state = 'failed', owed = 'failed', answer = ${ANSWER}`;
    await using queue = await damaged(folder.path, `${failed}; ${of(1, "answer = NULL")}`, item("a", THREE));
    const { items, setAside } = await queue.unreported({ id: null, at: 10 });
    assert.deepEqual(
      items.map(({ recipients }) => recipients.map(({ seq }) => seq)),
      [[0, 2]],
    );
    assert.match(setAside[0]?.cause ?? "", /^recipient 1: nothing is known of what is to be reported/);
  });

  test("and nobody, when it is somebody who is not due", async () => {
    await using folder = await temporaryFolder();
    const done = of(1, "state = 'delivered', answer = '{'");
    await using queue = await damaged(folder.path, done, item("a", THREE));
    const { items, setAside } = await queue.claimDue(all);
    assert.deepEqual([items[0]?.recipients.length, setAside], [2, []]);
  });

  test("and the item is gone when all of it is", async () => {
    await using folder = await temporaryFolder();
    const sql = "UPDATE recipient SET address = ''";
    await using queue = await damaged(folder.path, sql, item("a", THREE), item("b", ["bob@one.test"]));
    assert.deepEqual((await queue.claimDue(all)).items, []);
    assert.deepEqual(await queue.counts(), { items: 0, unreadable: 2 });
    assert.equal(await queue.nextDue([]), undefined);
  });
});

describe("who is on their way when the rest of their item is set aside has the message once:", () => {
  const envelope = (text: string): string => `UPDATE item SET envelope = '${text}' WHERE id = 'a'`;
  const found: Readonly<Record<string, (dir: string, queue: Queue) => Promise<unknown>>> = {
    "since it can't be delivered to another destination": (_, queue) =>
      queue.setAside({ id: "a", seqs: [1], cause: "a test", at: 11 }),
    "since the item can't be read when others are due": async (dir, queue) => {
      const settlement = { ...LATER, seq: 1, nextAttempt: 12 };
      await queue.settle({ id: "a", at: 11, settlements: [settlement] });
      exec(dir, envelope("{"));
      return queue.claimDue({ ...all, now: 12 });
    },
    "since nobody can be told of the item": async (dir, queue) => {
      await queue.settle({
        id: "a",
        at: 11,
        settlements: [{ ...LATER, seq: 1, nextAttempt: 12, owed: "delayed" }],
      });
      exec(dir, envelope("{"));
      return queue.unreported({ id: "a", at: 12 });
    },
  };
  for (const [why, setAside] of Object.entries(found)) {
    test(why, async () => {
      await using folder = await temporaryFolder();
      await using queue = await testQueue(folder.path);
      await queue.enqueue(item("a", ["bob@one.test", "eve@two.test"]));
      await queue.claimDue(all);
      await setAside(folder.path, queue);
      assert.deepEqual(await queue.counts(), { items: 1, unreadable: 1 });
      exec(folder.path, envelope(JSON.stringify(item("a", []).envelope)));
      exec(
        folder.path,
        "UPDATE unreadable SET item = (SELECT json_group_array(json_object('id', id, 'created', created, 'envelope', envelope, 'size', size)) FROM item)",
      );
      await queue.settle({ id: "a", at: 13, settlements: [{ ...DONE, seq: 0 }] });
      assert.deepEqual(await queue.counts(), { items: 0, unreadable: 1 });
      assert.deepEqual(await queue.manage(restore), { found: true, recipients: 1 });
      const { items } = await queue.claimDue({ ...all, now: 50 });
      assert.deepEqual(
        items.map(({ recipients }) => recipients.map(({ address }) => address)),
        [["eve@two.test"]],
      );
    });
  }

  test("since its message can't be read for another destination", async () => {
    await using folder = await temporaryFolder();
    await using queue = await testQueue(folder.path);
    await queue.enqueue(item("a", ["bob@one.test", "eve@two.test"]));
    const begin: Queue["begin"] = (claim) =>
      claim.seqs.includes(1) ? Promise.reject(new ItemUnreadable("disk I/O error")) : queue.begin(claim);
    const carried = Promise.withResolvers<typeof delivered>();
    const { runner, seen } = run({ ...queue, begin }, () => carried.promise);
    await settledDown(queue);
    assert.deepEqual(
      seen.map(({ destination }) => destination),
      ["mx:one.test"],
    );
    assert.deepEqual(await queue.counts(), { items: 1, unreadable: 1 });
    carried.resolve(delivered);
    await settledDown(queue);
    await runner.stop();
    assert.deepEqual(await queue.counts(), { items: 0, unreadable: 1 });
    assert.deepEqual(await queue.manage(restore), { found: true, recipients: 1 });
  });
});

test("the message of who lies aside stays whoever deletes it, as a version before this one would", async () => {
  await using folder = await temporaryFolder();
  {
    await using queue = await damaged(folder.path, of(1, "address = ''"), item("a", THREE), item("b", THREE));
    assert.equal((await queue.claimDue(all)).setAside.length, 1);
  }
  // As a version does that knows nothing of it, when the others are done.
  exec(folder.path, "DELETE FROM recipient; DELETE FROM body; DELETE FROM item");
  exec(
    folder.path,
    'UPDATE unreadable SET recipients = replace(recipients, \'"address":""\', \'"address":"eve@two.test"\')',
  );
  await using queue = await testQueue(folder.path);
  assert.deepEqual(await queue.manage({ verb: "restore", id: "a", at: 20 }), { found: true, recipients: 1 });
  assert.match(Buffer.from(await queue.body("a")).toString(), /hello/);
  await assert.rejects(queue.body("b"), ItemUnreadable);
});

test("nothing that lies aside is asked for where nothing ever did", async () => {
  await using folder = await temporaryFolder();
  {
    await using queue = await testQueue(folder.path);
    await queue.enqueue(item("a", ["bob@one.test"]));
  }
  // A table that can't be read any more.
  exec(folder.path, "DROP TABLE unreadable; CREATE VIEW unreadable AS SELECT * FROM nowhere");
  const db = openDatabase(folder.path);
  db.exec("BEGIN");
  const sql = new Statements(db);
  assert.equal(sql.run("DELETE FROM body WHERE id = 'a'"), 1);
});
