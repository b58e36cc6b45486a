import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { oncePerTurn } from "../../../mailserver/net/once-per-turn.ts";

test("what is wanted several times in a turn is done once, at its end, and again in the next", async () => {
  const gathered: string[] = [];
  const done: string[][] = [];
  const later = oncePerTurn(() => void done.push(gathered.splice(0)));
  for (const word of ["a", "b"]) {
    gathered.push(word);
    later();
  }
  assert.deepEqual(done, [], "not in between");
  await setImmediate();
  assert.deepEqual(done, [["a", "b"]]);
  await setImmediate();
  assert.equal(done.length, 1, "nor when nobody wants it");
  gathered.push("c");
  later();
  await setImmediate();
  assert.deepEqual(done, [["a", "b"], ["c"]]);
});
