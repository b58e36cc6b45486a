import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { check } from "../../fuzz/fuzz.ts";
import { Random } from "../../fuzz/random.ts";
import { kept, run } from "../../fuzz/run.ts";

describe("what fuzzing found once stays right", () => {
  for (const [file, given] of kept()) {
    test(file, () => {
      for (let seed = 0; seed < 20; seed += 1) assert.equal(check(given, new Random(seed)).fault, undefined);
    });
  }
});

test("a short search finds nothing", async () => {
  // Bounded by cases, so that a faster machine plays no others.
  const { count, pool, found, hung } = await run({ seed: 4, cases: 600, seconds: 120 });
  assert.equal(hung, false);
  assert.equal(found, undefined, JSON.stringify(found));
  assert.equal(count, 600);
  assert.ok(pool > 0);
});
