import assert from "node:assert/strict";
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, mock, test } from "node:test";
import { FILE, LOG, openDatabase } from "../../../mailserver/queue/database.ts";
import { QueueEnded } from "../../../mailserver/queue/queue.ts";
import { Statements } from "../../../mailserver/queue/statements.ts";
import { Store } from "../../../mailserver/queue/store.ts";
import { Transactions } from "../../../mailserver/queue/transactions.ts";
import { item, temporaryFolder, testQueue } from "../../support/queue.ts";
import { killedQueue } from "./log-support.ts";

const BROKEN_DISK = new URL("../../fixtures/queue/broken-disk.ts", import.meta.url);
const answer = { code: 250, status: "2.0.0", text: "ok" };
const delivered = { seq: 0, state: "delivered", attempts: 1, answer } as const;
const all = { now: 1_000, limit: 1_000, except: [] };
const PAGE_BYTES = 4_096;
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

const TWO = ["a", "b"].map((id) => item(id, ["bob@one.test"], { body: Buffer.alloc(90_000, id) }));

describe("a log that the disk may not have taken, which nobody would be told again,", () => {
  test("is written again, to the byte, before anything follows it", async () => {
    await using killed = await killedQueue(...TWO);
    const log = join(killed.path, LOG);
    const before = fs.readFileSync(log);
    const written: Buffer[] = [];
    const writes = mock.method(
      fs,
      "writeSync",
      (file: number, piece: Buffer, _: number, length: number, at: number) => {
        assert.equal(fs.fstatSync(file).ino, fs.statSync(log).ino);
        assert.equal(at, Buffer.concat(written).length);
        written.push(Buffer.from(piece.subarray(0, length)));
        return length;
      },
    );
    syncBuiltinESMExports();
    const waited = waits.mock.callCount();
    const store = new Store({ dir: killed.path });
    writes.mock.restore();
    syncBuiltinESMExports();
    assert.ok(before.length > 180_000 && Buffer.concat(written).equals(before));
    assert.equal(waits.mock.callCount() - waited, 1);
    assert.equal(store.counts().items, 2);
    store.close();
  });

  test("keeps the queue from being opened when the disk doesn't take it now, either", async () => {
    await using killed = await killedQueue(...TWO);
    waits.mock.mockImplementationOnce(() => {
      throw new Error("EIO: i/o error, fdatasync");
    });
    assert.throws(() => new Store({ dir: killed.path }), /EIO/);
    const store = new Store({ dir: killed.path });
    assert.equal(store.counts().items, 2);
    store.close();
  });
});

/** As SQLite does by itself after a page that could not be read. */
const UNDO = "ROLLBACK";
const ADD = (id: string): string => `INSERT INTO body VALUES ('${id}', x'00')`;
const CLAIM = "INSERT INTO claimed (item, seq) VALUES ('a', 0)";
/** Steps of one transaction, and why it is none; nothing where it has an answer. */
const undone: Readonly<Record<string, readonly [steps: readonly string[], fault?: RegExp]>> = {
  "who only asked has their answer": [[UNDO]],
  "who wrote before is told": [[ADD("a"), UNDO], /no transaction is active/],
  "who claimed before is told": [[CLAIM, UNDO], /no transaction is active/],
  "nothing more is written in it": [[UNDO, ADD("b")], /undone already/],
  "nothing more is written in it that it began with": [[ADD("a"), UNDO, ADD("b")], /undone already/],
  "nothing more is claimed in it": [[UNDO, CLAIM], /undone already/],
};

describe("when SQLite has undone a transaction by itself, whoever caught the error,", () => {
  for (const [what, [steps, fault]] of Object.entries(undone)) {
    test(what, async () => {
      await using folder = await temporaryFolder();
      const { perform, sql, memory, transactions, close } = open(folder.path);
      const work = (): string => {
        for (const step of steps) perform(step);
        return "answer";
      };
      if (fault) assert.throws(() => transactions.run(work), fault);
      else assert.equal(transactions.run(work), "answer");
      assert.deepEqual([...sql.all("SELECT id FROM body"), ...memory.all("SELECT * FROM claimed")], []);
      assert.equal(
        transactions.run(() => sql.run(ADD("c"))),
        1,
      );
      close();
    });
  }
});

function open(dir: string) {
  const db = openDatabase(dir);
  const [sql, memory] = [new Statements(db), new Statements(db)];
  const transactions = new Transactions(db, { sql, memory, log: join(dir, LOG) });
  const perform = (step: string): void => {
    if (step === UNDO) db.exec(step);
    else (step === CLAIM ? memory : sql).run(step);
  };
  const close = (): void => {
    transactions.close();
    db.close();
  };
  return { perform, sql, memory, transactions, close };
}

test("who met a damaged page and went on without it has their answer", async () => {
  await using folder = await temporaryFolder();
  const { body } = item("a", ["bob@one.test"], { body: Buffer.alloc(20_000, "x") });
  const store = new Store({ dir: folder.path });
  store.transaction(() => store.enqueue(item("a", ["bob@one.test"], { body })));
  store.transaction(() => store.setAside({ id: "a", at: 1, cause: "fault" }));
  store.close();
  damageBody(folder.path);
  const next = new Store({ dir: folder.path });
  const managed = next.transaction(() => next.manage({ verb: "restore", id: "a", at: 2 }));
  assert.deepEqual(managed, {
    found: true,
    recipients: 0,
    unreadable: ["body: it is missing, or can't be read"],
  });
  next.close();
});

/** Spoils all pages in which the messages are. */
function damageBody(dir: string): void {
  const path = join(dir, FILE);
  const db = new DatabaseSync(path);
  const pages = db.prepare("SELECT pageno FROM dbstat WHERE name = 'body'").all();
  db.close();
  const file = fs.openSync(path, "r+");
  for (const { pageno } of pages)
    fs.writeSync(file, Buffer.alloc(PAGE_BYTES, 0x5a), 0, PAGE_BYTES, (Number(pageno) - 1) * PAGE_BYTES);
  fs.closeSync(file);
}
