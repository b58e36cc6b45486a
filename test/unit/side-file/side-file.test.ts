import assert from "node:assert/strict";
import fs from "node:fs";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, test } from "node:test";
import { type Log, silentLog } from "../../../mailserver/net/log.ts";
import { openSideFile } from "../../../mailserver/side-file/side-file.ts";
import { temporaryFolder } from "../../support/queue.ts";

const PAGE_BYTES = 4_096;
const open: DatabaseSync[] = [];
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let path: string;
let told: { event: string; path?: unknown; aside?: unknown; copied?: unknown }[];

beforeEach(async () => {
  folder = await temporaryFolder();
  [path, told] = [join(folder.path, "counts.sqlite"), []];
});
afterEach(async () => {
  for (const db of open.splice(0)) if (db.isOpen) db.close();
  await folder[Symbol.asyncDispose]();
});

const log: Log = {
  ...silentLog,
  error: (event, { error: _, ...facts } = {}) => void told.push({ event, ...facts }),
};

function counts(): DatabaseSync {
  return openSideFile({ dir: folder.path, name: "counts.sqlite", synchronous: "NORMAL", log }, (db) => {
    db.exec("CREATE TABLE IF NOT EXISTS n (name TEXT PRIMARY KEY, of INTEGER) STRICT");
    db.exec("CREATE INDEX IF NOT EXISTS n_of ON n (of)");
    open.push(db);
    return db;
  });
}
const count = (db: DatabaseSync, name: string): void =>
  void db.prepare("INSERT INTO n VALUES (?, 1)").run(name);
const names = (db: DatabaseSync): unknown[] =>
  db
    .prepare("SELECT name FROM n ORDER BY rowid")
    .all()
    .map(({ name }) => name);
const events = (): string[] => told.map(({ event }) => event);

/** As a daemon left it that ended. */
function left(...all: readonly string[]): void {
  const db = counts();
  for (const name of all) count(db, name);
  db.close();
}

const spoil = (at: number, bytes: number) => (): void => {
  const file = fs.openSync(path, "r+");
  fs.writeSync(file, Buffer.alloc(bytes, 7), 0, bytes, at);
  fs.closeSync(file);
};

describe("a damaged file is set aside and begun anew:", () => {
  const damages: Readonly<Record<string, () => void>> = {
    "that is no database": spoil(0, 2 * PAGE_BYTES),
    "whose tables can't be read": spoil(100, PAGE_BYTES - 100),
    // Nobody reads it at the start.
    "with a page that doesn't fit": spoil(2 * PAGE_BYTES, PAGE_BYTES),
    "of which a part is gone": () => fs.truncateSync(path, PAGE_BYTES),
  };
  for (const [what, damage] of Object.entries(damages)) {
    test(what, () => {
      left("a");
      damage();
      const spoilt = fs.readFileSync(path);
      const db = counts();
      assert.deepEqual(names(db), []);
      count(db, "b");
      db.close();
      assert.deepEqual(names(counts()), ["b"]);
      assert.deepEqual(fs.readFileSync(`${path}.damaged`), spoilt);
      assert.deepEqual(told, [{ event: "file.damaged", path, aside: `${path}.damaged` }]);
    });
  }

  test("and its log is not taken for that of the new one", () => {
    left("a");
    const db = counts();
    count(db, "b");
    const log = fs.readFileSync(`${path}-wal`);
    db.close();
    fs.writeFileSync(`${path}-wal`, log);
    assert.ok(log.length > PAGE_BYTES);
    spoil(0, PAGE_BYTES)();
    assert.deepEqual(names(counts()), []);
    assert.deepEqual(events(), ["file.damaged"]);
  });

  test("the last one stays", () => {
    for (const name of ["a", "b"]) {
      left(name);
      spoil(0, PAGE_BYTES)();
      counts().close();
    }
    assert.deepEqual(fs.readdirSync(folder.path).toSorted(), ["counts.sqlite", "counts.sqlite.damaged"]);
  });
});

describe("where nothing can be written the database is in memory", () => {
  /** In the place of the log, which can't be made then. */
  const noLog = (): void => fs.mkdirSync(`${path}-wal`);

  test("with what the file holds, until the next start", () => {
    left("a");
    noLog();
    const db = counts();
    count(db, "b");
    assert.deepEqual(names(db), ["a", "b"]);
    assert.throws(() => count(db, "a"), /UNIQUE/);
    db.close();
    fs.rmdirSync(`${path}-wal`);
    assert.deepEqual(names(counts()), ["a"]);
    assert.deepEqual(told, [{ event: "file.unusable", path, copied: true }]);
  });

  test("with what its log holds, too, where it lacks room for a table alone", () => {
    const db = counts();
    count(db, "a");
    const refused = Object.assign(new Error("disk I/O error"), { errcode: 4_874 });
    let tries = 0;
    const other = openSideFile(
      { dir: folder.path, name: "counts.sqlite", synchronous: "NORMAL", log },
      (made) => {
        open.push(made);
        tries += 1;
        if (tries === 1) throw refused;
        return made;
      },
    );
    assert.deepEqual(names(other), ["a"]);
    assert.deepEqual(events(), ["file.unusable"]);
  });

  test("empty, where it can't be read either", () => {
    fs.mkdirSync(path);
    const db = counts();
    count(db, "a");
    assert.deepEqual(names(db), ["a"]);
    assert.deepEqual(told, [{ event: "file.unusable", path, copied: false }]);
  });

  test("empty, where a damaged one can't be set aside", () => {
    left("a");
    spoil(0, PAGE_BYTES)();
    fs.mkdirSync(`${path}.damaged`);
    assert.deepEqual(names(counts()), []);
    assert.deepEqual(told, [{ event: "file.unusable", path, copied: false }]);
  });
});

test("any other fault is told, and the file stays as it is", () => {
  left("a");
  const file = { dir: folder.path, name: "counts.sqlite", synchronous: "NORMAL", log } as const;
  assert.throws(() => openSideFile(file, (db) => db.exec("SELECT absent")), /no such column/);
  assert.deepEqual(events(), []);
  assert.deepEqual(names(counts()), ["a"]);
});
