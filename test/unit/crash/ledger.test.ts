import assert from "node:assert/strict";
import { test } from "node:test";
import { judge, type Sent } from "../../crash/ledger.ts";

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
