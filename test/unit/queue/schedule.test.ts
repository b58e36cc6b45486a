import assert from "node:assert/strict";
import { test } from "node:test";
import { RetrySettings } from "../../../mailserver/contract.ts";
import type { DueRecipient, Owed } from "../../../mailserver/queue/item.ts";
import {
  type AttemptFacts,
  type AttemptResult,
  retryDelay,
  settle,
  toAnswer,
} from "../../../mailserver/queue/schedule.ts";

const settings = RetrySettings.parse({});
const MINUTE = 60_000;
const DAY = 86_400_000;

test("delays double from five minutes to four hours", () => {
  const delays = [1, 2, 3, 4, 5, 6, 7, 50].map((attempts) => retryDelay(attempts, settings, 0.5) / MINUTE);
  assert.deepEqual(delays, [5, 10, 20, 40, 80, 160, 240, 240]);
});

test("a reply is kept as far as somebody may read it", () => {
  const told = (text: string): string => toAnswer({ code: 550, lines: text.split("\n") }).text;
  assert.equal(told("no\nsuch user"), "no such user");
  assert.equal(told("x".repeat(900)), "x".repeat(900));
  assert.equal(told(Array.from({ length: 900 }, () => "x".repeat(70)).join("\n")).length, 901);
  assert.equal(told("x".repeat(901)).at(-1), "…");
});

test("the jitter stays within a fifth either way", () => {
  assert.equal(retryDelay(1, settings, 0), 4 * MINUTE);
  assert.equal(retryDelay(1, settings, 0.999_999_9), 6 * MINUTE);
});

const recipient = { seq: 3, address: "bob@example.org", destination: "mx:example.org", attempts: 4 };
const answer = { code: 451, status: "4.7.1", text: "later" };
const cases = [
  { name: "delivered is final", kind: "delivered", now: 0, want: { state: "delivered" } },
  {
    name: "a permanent failure is final at once",
    kind: "permanent",
    now: 0,
    want: { state: "failed", owed: "failed" },
  },
  {
    name: "a temporary failure waits",
    kind: "temporary",
    now: DAY,
    want: { state: "pending", nextAttempt: DAY + 80 * MINUTE, owed: "delayed" },
  },
  {
    name: "the last attempt is made at the very end",
    kind: "temporary",
    now: 5 * DAY - MINUTE,
    want: { state: "pending", nextAttempt: 5 * DAY, owed: "delayed" },
  },
  {
    name: "after the end it has expired",
    kind: "temporary",
    now: 5 * DAY,
    want: { state: "expired", owed: "failed" },
  },
] as const;

for (const { name, kind, now, want } of cases) {
  test(name, () => {
    const settled = settle(
      recipient,
      { kind, answer },
      { created: 0, now, settings, random: 0.5, silent: false },
    );
    assert.deepEqual(settled, { seq: 3, attempts: 5, answer, ...want });
  });
}

const SILENCE = { silent: true } as const;
const box = "box:box-bob";
/** Nobody can be told, so nothing else would have the message. */
const stranded: readonly [string, Partial<DueRecipient>, AttemptResult["kind"], string][] = [
  ["refused by a person's box is held", { destination: box }, "permanent", "held"],
  ["given up for a person's box is held", { destination: box }, "temporary", "held"],
  ["whose sender wants no news is not kept", { destination: box, notify: [] }, "permanent", "failed"],
  [
    "of which the person has another copy is not kept",
    { destination: "relay:forward" },
    "permanent",
    "failed",
  ],
  ["for elsewhere is not kept", {}, "permanent", "failed"],
];
for (const [name, of, kind, want] of stranded) {
  test(`a message of which nobody can be told, ${name}`, () => {
    const facts = { created: 0, now: 5 * DAY, settings, random: 0.5, ...SILENCE };
    assert.equal(settle({ ...recipient, ...of }, { kind, answer }, facts).state, want);
  });
}

const remote = { ...recipient, attempts: 0 };
const local = { ...remote, destination: "local:bob@semail.test" };
const HOUR = 60 * MINUTE;
/** What the sender is told, by what they asked for: RFC 3461 sections 4.1 and 5.2. */
const owed: readonly {
  readonly name: string;
  readonly of: DueRecipient;
  readonly kind: AttemptResult["kind"];
  readonly want: Owed | undefined;
  readonly now?: number;
  readonly result?: Partial<AttemptResult>;
  readonly facts?: Partial<AttemptFacts>;
}[] = [
  { name: "of a delivery: nothing unless asked", of: remote, kind: "delivered", want: undefined },
  {
    name: "of a delivery to a box, when asked: that it was delivered",
    of: { ...local, notify: ["SUCCESS"] },
    kind: "delivered",
    want: "delivered",
  },
  {
    name: "of a delivery to a foreign host without DSN, when asked: that it was relayed",
    of: { ...remote, notify: ["SUCCESS", "FAILURE"] },
    kind: "delivered",
    want: "relayed",
  },
  {
    name: "of a delivery to a host with DSN: nothing, the host tells",
    of: { ...remote, notify: ["SUCCESS"] },
    kind: "delivered",
    result: { dsn: true },
    want: undefined,
  },
  { name: "of a failure, unless asked otherwise", of: remote, kind: "permanent", want: "failed" },
  { name: "of a failure, NEVER", of: { ...remote, notify: [] }, kind: "permanent", want: undefined },
  {
    name: "of a failure, when only success matters: nothing",
    of: { ...remote, notify: ["SUCCESS"] },
    kind: "permanent",
    want: undefined,
  },
  {
    name: "of a failure nobody may be told of: it is counted",
    of: remote,
    kind: "permanent",
    facts: SILENCE,
    want: "failed",
  },
  {
    name: "of a delay, not before four hours",
    of: remote,
    kind: "temporary",
    now: 4 * HOUR - 1,
    want: undefined,
  },
  { name: "of a delay, after four hours", of: remote, kind: "temporary", now: 4 * HOUR, want: "delayed" },
  {
    name: "of a delay, once",
    of: { ...remote, delayTold: true },
    kind: "temporary",
    now: 5 * HOUR,
    want: undefined,
  },
  {
    name: "of a delay, only if DELAY is among what was asked for",
    of: { ...remote, notify: ["FAILURE"] },
    kind: "temporary",
    now: 5 * HOUR,
    want: undefined,
  },
  {
    name: "of a delay, never for a null or unproven reverse-path",
    of: remote,
    kind: "temporary",
    now: 5 * HOUR,
    facts: SILENCE,
    want: undefined,
  },
  {
    name: "of success, never for a null or unproven reverse-path",
    of: { ...local, notify: ["SUCCESS"] },
    kind: "delivered",
    facts: SILENCE,
    want: undefined,
  },
  {
    name: "of a delay, when it is switched off: nothing",
    of: remote,
    kind: "temporary",
    now: 5 * HOUR,
    facts: { settings: { ...settings, delayMs: 0 } },
    want: undefined,
  },
];

for (const { name, of, kind, want, now = 0, result, facts } of owed) {
  test(`the sender is told ${name}`, () => {
    const base = { created: 0, now, settings, random: 0.5, silent: false };
    assert.equal(settle(of, { kind, answer, ...result }, { ...base, ...facts }).owed, want);
  });
}

test("another attempt is made just when the sender would be told of the delay", () => {
  const { nextAttempt } = settle(
    { ...remote, attempts: 6 },
    { kind: "temporary", answer },
    { created: 0, now: 3 * HOUR, settings, random: 0.5, silent: false },
  );
  assert.equal(nextAttempt, 4 * HOUR);
});
