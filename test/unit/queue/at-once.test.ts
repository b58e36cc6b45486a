import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type AtOnce, atOnceOf, type Ended, nextAtOnce } from "../../../mailserver/queue/at-once.ts";

describe("how many at once, by destination and places", () => {
  const table: readonly [destination: string, places: number, range: AtOnce][] = [
    ["mx:one.test", 100, { first: 2, most: 20 }],
    ["mx:one.test", 1_000, { first: 2, most: 20 }],
    ["mx:one.test", 20, { first: 2, most: 4 }],
    ["mx:one.test", 1, { first: 2, most: 2 }],
    ["report:one.test", 100, { first: 2, most: 20 }],
    ["relay:forward", 20, { first: 2, most: 4 }],
    ["box:box-alice", 100, { first: 2, most: 2 }],
    ["local:alice@semail.test", 100, { first: 2, most: 2 }],
    ["what a later version wrote", 100, { first: 2, most: 2 }],
  ];
  for (const [destination, places, range] of table) {
    test(`${destination}, of ${places}`, () => assert.deepEqual(atOnceOf(destination, places), range));
  }
});

describe("how many at once after a delivery", () => {
  const range = { first: 2, most: 20 };
  const table: readonly [name: string, now: number, ended: Ended, then: number][] = [
    ["delivered while all places were taken", 2, { delivered: true, ms: 50, active: 2 }, 3],
    ["delivered while there were places to spare", 4, { delivered: true, ms: 50, active: 3 }, 4],
    ["delivered at the most", 20, { delivered: true, ms: 50, active: 20 }, 20],
    ["not delivered", 20, { delivered: false, ms: 50, active: 20 }, 19],
    ["not delivered at the least", 2, { delivered: false, ms: 50, active: 2 }, 2],
    ["delivered, but slowly", 20, { delivered: true, ms: 10_001, active: 20 }, 2],
    ["neither delivered nor quick", 20, { delivered: false, ms: 10_001, active: 20 }, 2],
  ];
  for (const [name, now, ended, then] of table) {
    test(`${name}: ${then}`, () => assert.equal(nextAtOnce(now, ended, range), then));
  }
});
