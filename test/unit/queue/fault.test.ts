import assert from "node:assert/strict";
import { test } from "node:test";
import { isOfItem, TransactionUndone } from "../../../mailserver/queue/fault.ts";

/** https://sqlite.org/rescode.html */
const FAULTS: readonly (readonly [string, number | undefined, boolean])[] = [
  ["no error of the database", undefined, true],
  ["SQLITE_CORRUPT", 11, true],
  ["SQLITE_IOERR_READ", 266, true],
  ["SQLITE_IOERR_SHORT_READ", 522, true],
  ["SQLITE_CORRUPT_INDEX", 779, true],
  ["SQLITE_IOERR_FSYNC", 1034, false],
  ["SQLITE_IOERR_NOMEM", 3082, false],
  ["SQLITE_BUSY", 5, false],
  ["SQLITE_BUSY_SNAPSHOT", 517, false],
  ["SQLITE_LOCKED", 6, false],
  ["SQLITE_NOMEM", 7, false],
];
for (const [name, errcode, own] of FAULTS) {
  test(`${name} is ${own ? "an item's own fault" : "one of the database, which may pass"}`, () => {
    const error = new Error("fault");
    assert.equal(isOfItem(errcode === undefined ? error : Object.assign(error, { errcode })), own);
  });
}

test("what an earlier fault undid is no item's own fault", () => {
  assert.equal(isOfItem(new TransactionUndone()), false);
});
