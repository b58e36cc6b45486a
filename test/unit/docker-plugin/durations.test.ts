import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { goDuration, nanoseconds } from "../../../tools/docker-plugin/durations.ts";

const rows: [string, number | undefined][] = [
  ["0", 0],
  ["0s", 0],
  ["1s", 1e9],
  ["500ms", 5e8],
  ["1m30s", 90e9],
  ["1.5h", 5400e9],
  [".5s", 5e8],
  ["10us", 1e4],
  ["10µs", 1e4],
  ["3ns", 3],
  ["", undefined],
  ["30", undefined],
  ["1d", undefined],
  ["-1s", undefined],
  ["1s ", undefined],
  ["s", undefined],
];

describe("a duration as Go writes it", () => {
  for (const [text, expected] of rows) {
    it(`${JSON.stringify(text)} is ${expected ?? "none"}`, () => assert.equal(nanoseconds(text), expected));
  }
  it("is read back as it was written", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e6 }), (ms) =>
        assert.equal(nanoseconds(goDuration(ms * 1e6)), ms * 1e6),
      ),
    );
  });
});
