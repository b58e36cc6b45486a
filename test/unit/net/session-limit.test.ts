import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  afterCarried,
  afterTurnedAway,
  firstLimit,
  type SessionLimit,
} from "../../../mailserver/net/session-limit.ts";

const RANGE = { first: 5, most: 20 };
const ceiling = { size: 8, until: 1_000 };

describe("after a message that a session carried", () => {
  const table: readonly [name: string, limit: SessionLimit, open: number, now: number, then: SessionLimit][] =
    [
      ["one more when all were in use", { size: 5 }, 5, 0, { size: 6 }],
      ["no more while there were some to spare", { size: 5 }, 4, 0, { size: 5 }],
      ["never more than the most", { size: 20 }, 20, 0, { size: 20 }],
      ["not above what the peer took", { size: 8, ceiling }, 8, 999, { size: 8, ceiling }],
      ["up to what the peer took", { size: 3, ceiling }, 3, 999, { size: 4, ceiling }],
      ["above it when that was long ago", { size: 8, ceiling }, 8, 1_000, { size: 9 }],
    ];
  for (const [name, limit, open, now, then] of table) {
    test(name, () => assert.deepEqual(afterCarried(limit, { open, now }, RANGE), then));
  }
});

describe("after a session was turned away", () => {
  for (const [open, size] of [
    [11, 10],
    [2, 1],
    [1, 1],
  ] as const) {
    test(`of ${open}: ${size} for ten minutes`, () => {
      const then = { size, ceiling: { size, until: 600_007 } };
      assert.deepEqual(afterTurnedAway({ open, now: 7 }), then);
    });
  }
});

test("the first limit is never above the most", () => {
  assert.deepEqual([firstLimit(RANGE), firstLimit({ first: 5, most: 3 })], [{ size: 5 }, { size: 3 }]);
});
