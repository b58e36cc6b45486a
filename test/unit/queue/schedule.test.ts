import assert from "node:assert/strict";
import { test } from "node:test";
import { RetrySettings } from "../../../mailserver/contract.ts";
import { retryDelay, settle } from "../../../mailserver/queue/schedule.ts";

const settings = RetrySettings.parse({});
const MINUTE = 60_000;
const DAY = 86_400_000;

test("delays double from five minutes to four hours", () => {
  const delays = [1, 2, 3, 4, 5, 6, 7, 50].map((attempts) => retryDelay(attempts, settings, 0.5) / MINUTE);
  assert.deepEqual(delays, [5, 10, 20, 40, 80, 160, 240, 240]);
});

test("the jitter stays within a fifth either way", () => {
  assert.equal(retryDelay(1, settings, 0), 4 * MINUTE);
  assert.equal(retryDelay(1, settings, 0.999_999_9), 6 * MINUTE);
});

const recipient = { seq: 3, address: "bob@example.org", destination: "mx:example.org", attempts: 4 };
const answer = { code: 451, status: "4.7.1", text: "later" };
const cases = [
  { name: "delivered is final", kind: "delivered", now: 0, want: { state: "delivered" } },
  { name: "a permanent failure is final at once", kind: "permanent", now: 0, want: { state: "failed" } },
  {
    name: "a temporary failure waits",
    kind: "temporary",
    now: DAY,
    want: { state: "pending", nextAttempt: DAY + 80 * MINUTE },
  },
  {
    name: "the last attempt is made at the very end",
    kind: "temporary",
    now: 5 * DAY - MINUTE,
    want: { state: "pending", nextAttempt: 5 * DAY },
  },
  { name: "after the end it has expired", kind: "temporary", now: 5 * DAY, want: { state: "expired" } },
] as const;

for (const { name, kind, now, want } of cases) {
  test(name, () => {
    const settled = settle(recipient, { kind, answer }, { created: 0, now, settings, random: 0.5 });
    assert.deepEqual(settled, { seq: 3, attempts: 5, answer, ...want });
  });
}
