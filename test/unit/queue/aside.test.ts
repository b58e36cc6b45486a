/** What can't be read is set aside, that alone, and can be put back. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, test } from "node:test";
import { Asides } from "../../../mailserver/queue/aside.ts";
import { openDatabase } from "../../../mailserver/queue/database.ts";
import type { NewItem } from "../../../mailserver/queue/item.ts";
import { QUERIES } from "../../../mailserver/queue/queries.ts";
import { ItemUnreadable, type Queue } from "../../../mailserver/queue/queue.ts";
import { Statements } from "../../../mailserver/queue/statements.ts";
import { item, temporaryFolder, testQueue } from "../../support/queue.ts";
import { delivered, permanent, run, settledDown } from "./runner-support.ts";

const all = { now: 10, limit: 100, except: [] };
const THREE = ["bob@one.test", "eve@two.test", "kim@three.test"];
const DONE = { state: "delivered", attempts: 1, answer: { code: 250, status: "2.0.0", text: "ok" } } as const;
const LATER = {
  state: "pending",
  attempts: 1,
  answer: { code: 451, status: "4.7.1", text: "later" },
} as const;
const WITHOUT_MESSAGE = "DROP TRIGGER body_kept; DELETE FROM body";
const ANSWER = `'{"code":550,"status":"5.1.1","text":"nobody"}'`;

/** A queue whose database somebody has been at. */
async function damaged(dir: string, sql: string, ...items: NewItem[]) {
  {
    await using queue = await testQueue(dir);
    for (const each of items) await queue.enqueue(each);
  }
  exec(dir, sql);
  return testQueue(dir);
}

function exec(dir: string, sql: string): void {
  const db = new DatabaseSync(join(dir, "queue.sqlite"));
  db.exec(sql);
  db.close();
}

const of = (seq: number, change: string): string =>
  `UPDATE recipient SET ${change} WHERE item = 'a' AND seq = ${seq}`;
const broken: Readonly<Record<string, readonly [sql: string, cause: RegExp]>> = {
  "no address": [of(1, "address = ''"), /^recipient 1: address: /],
  "an address that is no text": [of(1, "address = x'ff'"), /^recipient 1: address: /],
  "an answer that is no JSON": [of(1, "answer = '{'"), /^recipient 1: answer: not JSON/],
  "an answer of another shape": [of(1, `answer = '{"code":"x"}'`), /^recipient 1: answer: code: /],
  "names that are none": [of(1, "originals = '[]'"), /^recipient 1: originals: /],
  "wishes that nobody knows": [of(1, `notify = '["LATER"]'`), /^recipient 1: notify: /],
  "a number that is none": [of(1, "attempts = 'x'"), /^recipient 1: attempts: /],
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
    });
  }

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

const restore = { verb: "restore", id: "a", at: 50 } as const;

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

describe("what was set aside is put back:", () => {
  test("an item as it was, due at once, whatever came of each recipient", async () => {
    await using folder = await temporaryFolder();
    const whole = item("a", [...THREE, "joe@four.test"], { created: 7 });
    const sql = [
      ...[of(1, `state = 'delivered', answer = ${ANSWER}`), of(2, "state = 'held', notify = '[]'")],
      `INSERT INTO history VALUES ('a', 1, 1, 8, 'delivered', ${ANSWER})`,
    ];
    await using queue = await damaged(folder.path, sql.join(";"), whole);
    const before = await queue.show("a");
    const body = await queue.body("a");
    await queue.setAside({ id: "a", cause: "a test", at: 9 });
    assert.equal(await queue.show("a"), undefined);
    assert.deepEqual(await queue.manage(restore), { found: true, recipients: 2 });
    const recipients = before?.recipients.map((each) =>
      each.state === "pending" ? { ...each, nextAttempt: 50 } : each,
    );
    assert.deepEqual(await queue.show("a"), { ...before, recipients });
    assert.deepEqual(await queue.body("a"), body);
    assert.deepEqual(await queue.counts(), { items: 1, unreadable: 0 });
    assert.equal(await queue.nextDue([]), 50);
    assert.deepEqual(await queue.manage(restore), { found: false, recipients: 0 });
  });

  for (const [when, goes] of Object.entries({
    "while its others are there": false,
    "when its others are gone": true,
  })) {
    test(`recipients of an item, ${when}`, async () => {
      await using folder = await temporaryFolder();
      await using queue = await testQueue(folder.path);
      await queue.enqueue(item("a", THREE));
      await queue.setAside({ id: "a", seqs: [1], cause: "a test", at: 9 });
      await queue.setAside({ id: "a", seqs: [2], cause: "another", at: 9 });
      assert.deepEqual(await queue.counts(), { items: 1, unreadable: 1 });
      const { items } = await queue.claimDue(all);
      assert.deepEqual(
        items[0]?.recipients.map(({ seq }) => seq),
        [0],
      );
      const answer = { code: 250, status: "2.0.0", text: "ok" };
      const settlements = [{ seq: 0, state: "delivered", attempts: 1, answer } as const];
      if (goes) await queue.settle({ id: "a", at: 11, settlements });
      assert.equal((await queue.counts()).items, goes ? 0 : 1);
      assert.deepEqual(await queue.manage(restore), { found: true, recipients: 2 });
      const again = await queue.claimDue({ ...all, now: 50 });
      assert.deepEqual(
        again.items[0]?.recipients.map(({ address }) => address),
        THREE.slice(1),
      );
      assert.deepEqual(Buffer.from(await queue.body("a")), item("a", THREE).body);
    });
  }

  const mend = (part: string): string => `UPDATE unreadable SET ${part}`;
  const unreadable: Readonly<Record<string, readonly [sql: string, faults: readonly RegExp[]]>> = {
    "no item": [mend("item = '[]'"), [/^item: it is missing$/]],
    "an item that is no JSON": [mend("item = '['"), [/^item: not JSON$/]],
    "an envelope of another shape": [mend("item = replace(item, 'smtputf8', 'utf9')"), [/^item: envelope: /]],
    "a sender that is none": [
      mend("item = replace(item, 'alice@semail.test', 'alice')"),
      [/^item: the sender: alice is no address$/],
    ],
    "no recipients": [mend("recipients = '[]'"), [/^recipients: there are none$/]],
    "two recipients": [
      mend("recipients = replace(replace(recipients, 'bob@one.test', 'bob'), 'pending', 'lost')"),
      [/^recipient 0: state: /, /^recipient 1: state: /, /^recipient 2: state: /],
    ],
    "an address that is none": [
      mend("recipients = replace(recipients, 'eve@two.test', 'eve')"),
      [/^recipient 1: eve is no address$/],
    ],
    "a column that is no value": [
      mend(`recipients = replace(recipients, '"eve@two.test"', '{"0":255}')`),
      [/^recipient 1: address: /],
    ],
    "no message": [WITHOUT_MESSAGE, [/^body: it is missing/]],
    "several parts": [`${WITHOUT_MESSAGE}; ${mend("item = '[]'")}`, [/^item: /, /^body: /]],
  };
  for (const [what, [sql, faults]] of Object.entries(unreadable)) {
    test(`not when it can't be read, and each part is named: ${what}`, async () => {
      await using folder = await temporaryFolder();
      {
        await using queue = await testQueue(folder.path);
        await queue.enqueue(item("a", THREE));
        await queue.setAside({ id: "a", cause: "a test", at: 9 });
      }
      exec(folder.path, sql);
      await using queue = await testQueue(folder.path);
      const { found, recipients, unreadable: named = [] } = await queue.manage(restore);
      assert.deepEqual([found, recipients, named.length], [true, 0, faults.length], named.join("\n"));
      for (const [index, fault] of faults.entries()) assert.match(named[index] ?? "", fault);
      assert.deepEqual(await queue.counts(), { items: 0, unreadable: 1 });
    });
  }

  test("without attempts that nobody can read, and from a version that asked for less", async () => {
    await using folder = await temporaryFolder();
    {
      await using queue = await testQueue(folder.path);
      await queue.enqueue(item("a", ["bob@one.test"]));
      await queue.setAside({ id: "a", cause: "a test", at: 9 });
    }
    exec(
      folder.path,
      `UPDATE unreadable SET history = '[{"seq":0},{"at":"x"}]', recipients = (SELECT json_array(json_remove(
         value, '$.originals', '$.notify', '$.orcpt', '$.owed', '$.delay_told')) FROM json_each(recipients))`,
    );
    await using queue = await testQueue(folder.path);
    assert.deepEqual(await queue.manage(restore), { found: true, recipients: 1 });
    assert.deepEqual((await queue.show("a"))?.history, []);
  });

  test("and its sender is told what is owed", async () => {
    await using folder = await temporaryFolder();
    await using queue = await testQueue(folder.path);
    await queue.enqueue(item("a", ["bob@one.test"]));
    await queue.claimDue(all);
    const answer = { code: 550, status: "5.1.1", text: "nobody" };
    const settlements = [{ seq: 0, state: "failed", attempts: 1, answer, owed: "failed" } as const];
    await queue.settle({ id: "a", at: 9, settlements });
    await queue.setAside({ id: "a", cause: "a test", at: 9 });
    const { reports, runner, notified } = run(queue, () => permanent);
    await settledDown(queue);
    assert.deepEqual(reports, []);
    assert.deepEqual(await queue.manage(restore), { found: true, recipients: 0 });
    await notified;
    await runner.stop();
    assert.deepEqual(
      reports.map(({ id }) => id),
      ["a"],
    );
  });

  for (const [whose, seqs] of Object.entries({ "all of an item": undefined, "one of its recipients": [1] })) {
    test(`with a message that was not there for a while: ${whose}`, async () => {
      await using folder = await temporaryFolder();
      {
        await using queue = await testQueue(folder.path);
        await queue.enqueue(item("a", THREE));
      }
      // As on a disk with a fault that passes.
      exec(folder.path, "CREATE TABLE elsewhere AS SELECT * FROM body; UPDATE body SET content = NULL");
      {
        await using queue = await testQueue(folder.path);
        await queue.setAside({ id: "a", cause: "a test", at: 9, ...(seqs && { seqs }) });
      }
      exec(folder.path, "UPDATE body SET content = (SELECT content FROM elsewhere WHERE id = body.id)");
      await using queue = await testQueue(folder.path);
      // Whatever comes of the others meanwhile.
      for (const { id, recipients } of (await queue.claimDue(all)).items) {
        const settlements = recipients.map(({ seq }) => ({ ...DONE, seq }));
        await queue.settle({ id, at: 11, settlements });
      }
      assert.deepEqual(await queue.counts(), { items: 0, unreadable: 1 });
      assert.deepEqual(await queue.manage(restore), { found: true, recipients: seqs?.length ?? 3 });
      assert.deepEqual(Buffer.from(await queue.body("a")), item("a", []).body);
    });
  }

  for (const end of ["delivered", "dropped"] as const) {
    test(`and its message is forgotten when all of it is ${end}`, async () => {
      await using folder = await temporaryFolder();
      await using queue = await testQueue(folder.path);
      await queue.enqueue(item("a", ["bob@one.test"]));
      await queue.setAside({ id: "a", cause: "a test", at: 9 });
      assert.deepEqual(Buffer.from(await queue.body("a")), item("a", []).body);
      if (end === "dropped") await queue.manage({ ...restore, verb: "drop" });
      else {
        await queue.manage(restore);
        await queue.claimDue({ ...all, now: 50 });
        await queue.settle({ id: "a", at: 51, settlements: [{ ...DONE, seq: 0 }] });
      }
      assert.deepEqual(await queue.counts(), { items: 0, unreadable: 0 });
      await assert.rejects(queue.body("a"), /the body of a is missing/);
    });
  }

  test("from a version that kept a copy of the message with it", async () => {
    await using folder = await temporaryFolder();
    {
      await using queue = await testQueue(folder.path);
      await queue.enqueue(item("a", ["bob@one.test"]));
      await queue.setAside({ id: "a", cause: "a test", at: 9 });
    }
    exec(folder.path, "UPDATE unreadable SET body = (SELECT content FROM body); DELETE FROM body");
    await using queue = await testQueue(folder.path);
    assert.deepEqual(await queue.manage(restore), { found: true, recipients: 1 });
    assert.deepEqual(Buffer.from(await queue.body("a")), item("a", []).body);
  });

  test("with a message that could not be read when it was set aside, or dropped with it", async () => {
    await using folder = await temporaryFolder();
    {
      await using queue = await testQueue(folder.path);
      for (const id of ["a", "b"]) await queue.enqueue(item(id, ["bob@one.test"]));
    }
    setAsideUnread(folder.path, ["a", "b"]);
    await using queue = await testQueue(folder.path);
    assert.deepEqual(await queue.counts(), { items: 0, unreadable: 2 });
    assert.deepEqual(await queue.manage(restore), { found: true, recipients: 1 });
    assert.deepEqual(Buffer.from(await queue.body("a")), item("a", []).body);
    await queue.manage({ verb: "drop", id: "b", at: 51 });
    await assert.rejects(queue.body("b"));
  });
});

/** On a disk that can't read a page of the messages now. */
function setAsideUnread(dir: string, ids: readonly string[]): void {
  class Faulty extends Statements {
    override get(
      sql: string,
      ...values: Parameters<Statements["get"]> extends [string, ...infer R] ? R : never
    ) {
      if (sql.includes("FROM body")) throw Object.assign(new Error("disk I/O error"), { errcode: 266 });
      return super.get(sql, ...values);
    }
  }
  const db = openDatabase(dir);
  const sql = new Faulty(db);
  const forget = (id: string): void => {
    sql.run(QUERIES.forget, id);
    sql.run(QUERIES.forgetBody, id);
    sql.run("DELETE FROM item WHERE id = ?", id);
  };
  const asides = new Asides(sql, { forget, forgetIfDone: forget });
  db.exec("BEGIN");
  for (const id of ids) asides.put({ id, cause: "disk I/O error", at: 1 });
  db.exec("COMMIT");
  db.close();
}

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
