import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as answered } from "node:timers/promises";
import type { UsageView } from "../../../mailserver/operator/protocol.ts";
import { createUsage } from "../../../mailserver/portal/usage.ts";
import { size } from "../../../mailserver/portal/words.ts";
import { usageIn } from "../../../operator/boxes.ts";

const full = (used: number): UsageView => ({ used, limit: 10 });

/** An operator that gives these answers one after the other, and a clock that is set by hand. */
function setUp(answers: readonly (UsageView | Error | "silence")[]) {
  const time = { now: 0, wake: () => {} };
  let asked = 0;
  const clock = {
    now: () => time.now,
    elapsed: () => time.now,
    after: (_ms: number, wake: () => void) => {
      time.wake = wake;
      return () => {};
    },
  };
  const usage = createUsage(
    {
      usage: async () => {
        const answer = answers[asked++];
        if (answer instanceof Error) throw answer;
        return answer === undefined || answer === "silence" ? new Promise(() => {}) : answer;
      },
    },
    clock,
  );
  return { usage, time, asked: () => asked };
}

test("a box is asked once a minute at most; what is old is shown once more", async () => {
  const { usage, time, asked } = setUp([full(1), full(2)]);
  assert.deepEqual(await Promise.all([usage("bob"), usage("bob")]), [full(1), full(1)]);
  time.now = 59_999;
  assert.deepEqual(await usage("bob"), full(1));
  assert.equal(asked(), 1);
  time.now = 60_000;
  assert.deepEqual(await usage("bob"), full(1));
  await answered();
  assert.deepEqual(await usage("bob"), full(2));
  assert.equal(asked(), 2);
});

test("no page waits for a box that is asked again", async () => {
  const { usage, time, asked } = setUp([full(1), "silence", full(3)]);
  await usage("bob");
  time.now = 60_000;
  for (let page = 0; page < 3; page += 1) assert.deepEqual(await usage("bob"), full(1));
  assert.equal(asked(), 2);
  time.now = 120_000;
  assert.deepEqual(await usage("bob"), full(1));
  await answered();
  assert.deepEqual(await usage("bob"), full(3));
});

test("a failure leaves what was known, or nothing", async () => {
  const { usage, time } = setUp([new Error("down"), full(1), new Error("down")]);
  const seen = [];
  for (time.now = 0; time.now <= 180_000; time.now += 60_000) {
    seen.push(await usage("bob"));
    await answered();
  }
  assert.deepEqual(seen, [undefined, undefined, full(1), full(1)]);
});

test("a page does not wait for a box that says nothing", async () => {
  const { usage, time } = setUp(["silence"]);
  const shown = usage("bob");
  time.wake();
  assert.equal(await shown, undefined);
});

for (const [line, want] of [
  ["box\tSTORAGE\t12\t976563\t0", { used: 12_288, limit: 1_000_000_512 }],
  ["box\tSTORAGE\t0\t-\t0", { used: 0, limit: null }],
] as const)
  test(`Dovecot's ${JSON.stringify(line)} is read`, () => {
    assert.deepEqual(usageIn(`Quota name\tType\tValue\tLimit\t%\n${line}\nbox\tMESSAGE\t1\t-\t0\n`), want);
  });

test("anything else of Dovecot's is an error", () => {
  assert.throws(() => usageIn("Fatal: no such user"), /no quota in/);
});

for (const [bytes, en, fr] of [
  [0, "0 kB", "0 ko"],
  [999, "1 kB", "1 ko"],
  [1_572_864, "1.5 MB", "1,5 Mo"],
  [1_073_741_824, "1 GB", "1 Go"],
  [2 ** 51, "2,048 TB", "2 048 To"],
] as const)
  test(`${bytes} bytes are ${en}`, () => {
    assert.equal(size(bytes, "en"), en);
    assert.equal(size(bytes, "fr").replaceAll(/\s/g, " "), fr);
  });
