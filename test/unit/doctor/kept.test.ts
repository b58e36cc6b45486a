/** What the doctor makes of mail that is kept. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { checkKept } from "../../../tools/doctor/kept-checks.ts";
import { said } from "./said.ts";

const kept = [{ id: "alice", name: "Alice Martin", until: "2026-03-03" }];

test("mail that was to be kept until yesterday is told of; until the end of its last day it is not", () => {
  assert.deepEqual(said(checkKept(kept, Date.parse("2026-03-03T23:59:59Z"))), []);
  assert.deepEqual(said(checkKept(kept, Date.parse("2026-03-04T00:00:00Z"))), [
    "warning: it was to be kept until 2026-03-03, and is still there",
  ]);
});
