/** What was set aside can be put back. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Asides } from "../../../mailserver/queue/aside.ts";
import { openDatabase } from "../../../mailserver/queue/database.ts";
import { QUERIES } from "../../../mailserver/queue/queries.ts";
import { Statements } from "../../../mailserver/queue/statements.ts";
import { item, temporaryFolder, testQueue } from "../../support/queue.ts";
import { ANSWER, all, DONE, damaged, exec, of, restore, THREE, WITHOUT_MESSAGE } from "./aside-support.ts";
import { permanent, run, settledDown } from "./runner-support.ts";

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

  const before: Readonly<Record<string, string>> = {
    "had an index to ask with": "DROP TRIGGER body_kept",
    "had none": "DROP TRIGGER body_kept; DROP INDEX without_body",
  };
  for (const [version, sql] of Object.entries(before)) {
    test(`from a version that asked before it deleted a message, and ${version}`, async () => {
      await using folder = await temporaryFolder();
      {
        await using queue = await testQueue(folder.path);
        await queue.enqueue(item("a", THREE));
        await queue.setAside({ id: "a", seqs: [1], cause: "a test", at: 9 });
      }
      exec(folder.path, sql);
      await using queue = await testQueue(folder.path);
      await queue.claimDue(all);
      const settlements = [0, 2].map((seq) => ({ ...DONE, seq }));
      assert.deepEqual(await queue.settle({ id: "a", at: 11, settlements }), { idle: true, gone: true });
      assert.deepEqual(await queue.manage(restore), { found: true, recipients: 1 });
      assert.deepEqual(Buffer.from(await queue.body("a")), item("a", []).body);
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
