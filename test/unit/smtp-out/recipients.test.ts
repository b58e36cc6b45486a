import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Place } from "../../../mailserver/smtp-out/places.ts";
import { type Named, Recipients } from "../../../mailserver/smtp-out/recipients.ts";

const X = { address: "x@one.test", destination: "mx:one.test" };
const forwarded = (original: string): Named => ({ ...X, original });

describe("a place that a message goes to is kept once", () => {
  const cases: Readonly<Record<string, { added: readonly Named[]; originals?: readonly string[] }>> = {
    "as it was written": { added: [X] },
    "written twice": { added: [X, { ...X, address: "X@one.test" }] },
    "with whom it is forwarded for": { added: [forwarded("a@semail.test")], originals: ["a@semail.test"] },
    "with everybody whom it is forwarded for": {
      added: [forwarded("a@semail.test"), forwarded("b@semail.test"), forwarded("a@semail.test")],
      originals: ["a@semail.test", "b@semail.test"],
    },
    "with its own name for who wrote that first": {
      added: [X, forwarded("a@semail.test")],
      originals: ["x@one.test", "a@semail.test"],
    },
    "as it was written first, by another of the person's names": {
      added: [X, { ...X, address: "y@one.test" }],
    },
    "with its own name for who wrote that too": {
      added: [forwarded("a@semail.test"), X],
      originals: ["a@semail.test", "x@one.test"],
    },
  };
  for (const [name, { added, originals }] of Object.entries(cases)) {
    test(name, () => {
      const recipients = new Recipients();
      for (const one of added) recipients.add({ ...one, place: "x" });
      assert.deepEqual(recipients.all(), [originals === undefined ? X : { ...X, originals }]);
    });
  }
});

test("a place that a forward leads to is told by the name that was written, where the forward calls it otherwise", () => {
  const recipients = new Recipients();
  recipients.add({ ...forwarded("a@semail.test"), place: "x", copy: true });
  recipients.add({ ...X, address: "y@one.test", place: "x" });
  assert.deepEqual(recipients.all(), [{ ...X, originals: ["a@semail.test", "y@one.test"] }]);
});

describe("a place that has the message already", () => {
  const copy = { ...forwarded("a@semail.test"), place: "x", copy: true } as const;
  const written = { ...X, place: "x" };
  const cases: Readonly<Record<string, readonly [added: readonly Place[], left: number]>> = {
    "is left out where only forwards lead there": [[copy, copy], 0],
    "stays where somebody wrote it": [[written], 1],
    "stays where somebody wrote it as well": [[copy, written], 1],
    "stays where somebody wrote it first": [[written, copy], 1],
    "keeps nobody else from theirs": [[copy, { ...copy, place: "y" }], 1],
  };
  for (const [name, [added, left]] of Object.entries(cases)) {
    for (const early of [true, false]) {
      test(`${name}, known ${early ? "before" : "after"}`, () => {
        const recipients = new Recipients();
        if (early) recipients.leaveOut("x");
        for (const one of added) recipients.add(one);
        if (!early) recipients.leaveOut("x");
        assert.equal(recipients.all().length, left);
      });
    }
  }
});
