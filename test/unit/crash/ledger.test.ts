import assert from "node:assert/strict";
import { test } from "node:test";
import { dsnFaults, judge, type Sent, settledTwice } from "../../crash/ledger.ts";

test("the ledger of a crash test tells lost, doubled and unasked messages apart", () => {
  const sent: Sent[] = [
    { id: "fine", to: ["a", "b"], told: "accepted" },
    { id: "lost", to: ["a", "b"], told: "accepted" },
    { id: "twice", to: ["a"], told: "accepted" },
    { id: "unclear", to: ["a", "b"], told: "unknown" },
    { id: "no", to: ["a"], told: "refused" },
    { id: "odd", to: ["b"], told: "refused" },
  ];
  const found = new Map([
    ["a", new Map(Object.entries({ fine: 1, lost: 1, twice: 2, unclear: 1 }))],
    ["b", new Map(Object.entries({ fine: 1, odd: 1 }))],
  ]);
  assert.deepEqual(judge(sent, found), {
    lost: ["lost for b"],
    doubled: ["twice for a"],
    unasked: ["odd for b"],
    accepted: 3,
    unknown: 1,
    refused: 2,
  });
});

test("the ledger knows notifications that are missing, told twice, or of what was never taken", () => {
  const failing: Sent[] = [
    { id: "told", to: ["no-a"], told: "accepted" },
    { id: "doubled", to: ["no-a"], told: "accepted" },
    { id: "missing", to: ["no-a"], told: "accepted" },
    { id: "twice", to: ["no-a"], told: "accepted" },
    { id: "unclear", to: ["no-a"], told: "unknown" },
    { id: "refused", to: ["no-a"], told: "refused" },
  ];
  const notices = [
    ...["told", "doubled", "doubled", "twice", "refused", "fine"].map((of) => ({ of, id: `<${of}>` })),
    { of: "twice", id: "<another>" },
  ];
  assert.deepEqual(dsnFaults(failing, notices), [
    "no notification of missing",
    "2 notifications of twice",
    "a notification of refused, which nobody was promised",
    "a notification of fine, which nobody was promised",
  ]);
});

test("the ledger knows deliveries that were made again although they were noted", () => {
  const log = [
    { item: "1", to: "a" },
    { item: "1", to: "b" },
    { item: "2", to: "a" },
    { item: "1", to: "a" },
  ];
  assert.deepEqual(settledTwice(log), ["delivered again, though noted: 1 for a"]);
});
