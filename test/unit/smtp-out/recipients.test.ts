import assert from "node:assert/strict";
import { describe, test } from "node:test";
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
    "with its own name for who wrote that too": {
      added: [forwarded("a@semail.test"), X],
      originals: ["a@semail.test", "x@one.test"],
    },
  };
  for (const [name, { added, originals }] of Object.entries(cases)) {
    test(name, () => {
      const recipients = new Recipients();
      for (const one of added) recipients.add("x", one);
      assert.deepEqual(recipients.all(), [originals === undefined ? X : { ...X, originals }]);
    });
  }
});
