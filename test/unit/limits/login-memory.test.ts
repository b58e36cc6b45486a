import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, test } from "node:test";
import { openLimitsFile } from "../../../mailserver/limits/limits-file.ts";
import { createLoginMemory } from "../../../mailserver/limits/login-memory.ts";
import { silentLog } from "../../../mailserver/net/log.ts";
import { createLoginGuard, type LoginGuard } from "../../../mailserver/policy/login-guard.ts";
import { temporaryFolder } from "../../support/queue.ts";

const HERE = "192.0.2.1";
const DAY = 86_400_000;
const cleanup: (() => PromiseLike<void>)[] = [];
let dir: string;
let db: DatabaseSync;
let now = 0;
/** What the time of day was set by. */
let set = 0;

beforeEach(async () => {
  const folder = await temporaryFolder();
  cleanup.push(() => folder[Symbol.asyncDispose]());
  dir = folder.path;
  db = openLimitsFile(dir, silentLog, (opened) => opened);
  now = 1_000_000;
  set = 0;
});
afterEach(async () => {
  if (db.isOpen) db.close();
  for (const undo of cleanup.splice(0)) await undo();
});

function begin(failed: (error: unknown) => void = assert.ifError): LoginGuard {
  const memory = createLoginMemory({
    ...{ db, secret: "relay-secret-0123456789", failed },
    now: () => now + set,
  });
  return createLoginGuard({ now: () => now, memory });
}

/** Another process on the same file. */
function restart(): LoginGuard {
  db.close();
  db = openLimitsFile(dir, silentLog, (opened) => opened);
  return begin();
}

async function fail(guard: LoginGuard, account: string, client = HERE): Promise<void> {
  const attempt = await guard.begin(account, client);
  assert.ok(attempt, `${account} at ${client} is locked`);
  attempt.failed();
}

async function locked(guard: LoginGuard, account: string, client = HERE): Promise<boolean> {
  const attempt = await guard.begin(account, client);
  attempt?.abandoned();
  return attempt === undefined;
}

const rows = (table: string) => Number(db.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.n);

test("failures before a restart and after it lock the client out together, for five minutes", async () => {
  let guard = begin();
  for (let count = 0; count < 3; count++) await fail(guard, "alice");
  guard = restart();
  for (let count = 0; count < 2; count++) await fail(guard, "alice");
  guard = restart();
  assert.equal(await locked(guard, "alice"), true);
  assert.equal(await locked(guard, "alice", "192.0.2.2"), false);
  now += 300_000;
  assert.equal(await locked(restart(), "alice"), false);
});

test("a restart in the midst of strangers' guesses does not lock the person out", async () => {
  let guard = begin();
  (await guard.begin("alice", HERE))?.succeeded();
  for (let count = 0; count < 50; count++) await fail(guard, "alice", `198.51.100.${count}`);
  guard = restart();
  assert.equal(await locked(guard, "alice", "203.0.113.1"), true, "a stranger");
  assert.equal(await locked(guard, "alice"), false, "where the person logged in before");
});

test("where somebody logs in each day stays their home, however long the process runs", async () => {
  let guard = begin();
  for (let day = 0; day < 100; day++, now += DAY + 1) (await guard.begin("alice", HERE))?.succeeded();
  guard = restart();
  for (let count = 0; count < 50; count++) await fail(guard, "alice", `198.51.100.${count}`);
  assert.equal(await locked(guard, "alice", "203.0.113.1"), true, "a stranger");
  assert.equal(await locked(guard, "alice"), false, "where the person logged in yesterday");
});

test("a right password is remembered to have forgotten the wrong ones", async () => {
  const guard = begin();
  for (let count = 0; count < 4; count++) await fail(guard, "alice");
  (await guard.begin("alice", HERE))?.succeeded();
  const again = restart();
  await fail(again, "alice");
  assert.equal(await locked(again, "alice"), false);
});

test("a clock that was set back locks nobody out for longer than five minutes", async () => {
  now = 100 * DAY;
  const guard = begin();
  for (let count = 0; count < 5; count++) await fail(guard, "alice");
  now = 0;
  const again = restart();
  assert.equal(await locked(again, "alice"), true);
  now += 300_000;
  assert.equal(await locked(again, "alice"), false);
});

test("a clock that is set while the process runs neither unlocks nor locks anybody out for longer", async () => {
  for (const by of [-DAY, 2 * DAY]) {
    const guard = begin();
    for (let count = 0; count < 5; count++) await fail(guard, "alice");
    set += by;
    now += 299_999;
    assert.equal(await locked(guard, "alice"), true);
    now += 1;
    assert.equal(await locked(guard, "alice"), false);
    for (let count = 0; count < 5; count++) await fail(guard, "alice");
    const again = restart();
    assert.equal(await locked(again, "alice"), true, "by the file, too");
    now += 300_000;
    assert.equal(await locked(again, "alice"), false);
  }
});

test("what has expired leaves the file, and homes that were left", async () => {
  const guard = begin();
  for (let count = 0; count < 10; count++) await fail(guard, `user${count}`);
  assert.ok(rows("login_failures") > 10);
  now += 300_000;
  await fail(guard, "alice");
  assert.equal(rows("login_failures"), 3);
  (await guard.begin("alice", HERE))?.succeeded();
  now += 91 * DAY;
  restart();
  assert.deepEqual([rows("login_failures"), rows("login_homes")], [0, 0]);
});

test("what has expired and can't be taken out of a full file counts no more, and keeps nobody from starting", async () => {
  const guard = begin();
  for (let count = 0; count < 5; count++) await fail(guard, "alice");
  (await guard.begin("bob", HERE))?.succeeded();
  now += 91 * DAY;
  let unsaved = 0;
  db.exec("PRAGMA query_only = ON");
  const again = begin(() => {
    unsaved += 1;
  });
  assert.equal(unsaved, 1);
  assert.deepEqual([rows("login_failures"), rows("login_homes")], [3, 1]);
  assert.equal(await locked(again, "alice"), false);
  for (let count = 0; count < 50; count++) await fail(again, "bob", `198.51.100.${count}`);
  assert.equal(await locked(again, "bob"), true, "where bob lived 91 days ago");
});

test("the file grows no further than the memory, however many guess", async () => {
  const guard = begin();
  for (let n = 0; n < 6_000; n++) await fail(guard, `user${n}`, `198.${n >> 12}.${(n >> 4) & 255}.${n & 15}`);
  assert.ok(rows("login_failures") <= 10_000, String(rows("login_failures")));
  for (let n = 0; n < 10_050; n++)
    (await guard.begin(`person${n}`, `203.0.${n >> 8}.${n & 255}`))?.succeeded();
  assert.equal(rows("login_homes"), 10_000);
});

test("neither a name nor an address can be read in the file", async () => {
  const guard = begin();
  await fail(guard, "hunter2-typed-as-name");
  (await guard.begin("alice", HERE))?.succeeded();
  db.close();
  const bytes = await readFile(join(dir, "limits.sqlite"), "latin1");
  for (const text of ["hunter2", "alice", HERE]) assert.ok(!bytes.includes(text), text);
});

test("a file that can't be written keeps nobody from logging in, and guesses are counted all the same", async () => {
  let unsaved = 0;
  const guard = begin(() => {
    unsaved += 1;
  });
  db.close();
  for (let count = 0; count < 5; count++) await fail(guard, "alice");
  assert.equal(await locked(guard, "alice"), true);
  (await guard.begin("bob", "203.0.113.1"))?.succeeded();
  assert.ok(unsaved > 0);
});
