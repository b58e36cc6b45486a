import assert from "node:assert/strict";
import { test } from "node:test";
import { passwordFault } from "../../../mailserver/portal/password-policy.ts";

for (const [next, again, wanted] of [
  ["long enough now", "long enough now", undefined],
  ["short", "short", "short"],
  ["x".repeat(129), "x".repeat(129), "long"],
  ["aaaaaaaaaaaaaa", "aaaaaaaaaaaaaa", "repeats"],
  ["alice1234567890", "alice1234567890", "personal"],
  ["the current one", "the current one", "same"],
  ["long enough now", "long enough too", "differs"],
] as const) {
  test(`a new password ${next.slice(0, 20)} is ${wanted ?? "taken"}`, () =>
    assert.equal(passwordFault({ uid: "alice", current: "the current one", next, again }), wanted));
}
