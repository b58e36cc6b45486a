import assert from "node:assert/strict";
import { test } from "node:test";
import { branchOf, requireRoom } from "../../../operator/approval.ts";
import { isRefusal } from "./support.ts";

const asked = { kind: "update", uid: "bob", id: "0123456789abcdef".repeat(2) } as const;
const of = (uid: string, count: number, kind: "update" | "cancel-delete" = "update") =>
  Array.from({ length: count }, (_, n) => branchOf({ kind, uid, id: `${n}`.padStart(32, "a") }))
    // The id's end, which differs, is no part of the name.
    .map((branch, n) => branch.replace(/.$/, `${n}`));

const cases: readonly [what: string, waiting: string[], room: boolean][] = [
  ["none", [], true],
  ["four of theirs", of("bob", 4), true],
  ["five of theirs", of("bob", 5), false],
  ["five of theirs, of two kinds", [...of("bob", 3), ...of("bob", 2, "cancel-delete")], false],
  ["a hundred of theirs", of("bob", 100), false],
  ["five, with the one that is asked for", [...of("bob", 4), branchOf(asked)], true],
  ["four of theirs and many of others", [...of("bob", 4), ...of("alice", 9), ...of("bobby", 9)], true],
  ["many of people whose uid begins or ends so", [...of("bob-x", 9), ...of("x-bob", 9)], true],
  ["many of others' making", ["semail/update-bob", "semail/mine", "semail/update-bob-a/b"], true],
];
for (const [what, waiting, room] of cases)
  test(`with ${what} waiting there is ${room ? "room for" : "no room for"} one more`, () => {
    if (room) requireRoom(asked, waiting);
    else assert.throws(() => requireRoom(asked, waiting), isRefusal("approval-limit"));
  });
