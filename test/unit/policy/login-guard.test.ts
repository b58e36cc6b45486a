import assert from "node:assert/strict";
import { test } from "node:test";
import { createLoginGuard } from "../../../mailserver/policy/login-guard.ts";

test("each failure is answered later, up to a limit", () => {
  const guard = createLoginGuard({ now: () => 0, stepMs: 1_000 });
  const delays = Array.from({ length: 7 }, () => guard.failed("alice", "192.0.2.1"));
  assert.deepEqual(delays, [1_000, 2_000, 3_000, 4_000, 5_000, 5_000, 5_000]);
});

test("five failures lock the account at that address only, for five minutes", () => {
  let now = 0;
  const guard = createLoginGuard({ now: () => now });
  for (let count = 0; count < 5; count++) {
    assert.equal(guard.locked("alice", "192.0.2.1"), false);
    guard.failed("Alice", "192.0.2.1");
  }
  assert.equal(guard.locked("alice", "192.0.2.1"), true);
  assert.equal(guard.locked("alice", "192.0.2.2"), false);
  assert.equal(guard.locked("bob", "192.0.2.1"), false);
  now = 300_000;
  assert.equal(guard.locked("alice", "192.0.2.1"), false);
});

test("an address that tries many accounts is locked for all of them", () => {
  const guard = createLoginGuard({ now: () => 0 });
  for (let count = 0; count < 20; count++) guard.failed(`user${count}`, "192.0.2.1");
  assert.equal(guard.locked("alice", "192.0.2.1"), true);
});

test("a right password forgets the wrong ones", () => {
  const guard = createLoginGuard({ now: () => 0 });
  for (let count = 0; count < 4; count++) guard.failed("alice", "192.0.2.1");
  guard.succeeded("alice", "192.0.2.1");
  guard.failed("alice", "192.0.2.1");
  assert.equal(guard.locked("alice", "192.0.2.1"), false);
});
