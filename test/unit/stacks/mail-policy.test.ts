import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { mailPolicy } from "../../../components/mailbox.ts";

describe("a person's mail is protected from a config that forgets them", () => {
  const cases = [
    ["active", true, true],
    ["active", false, false],
    ["deleted", true, false],
    ["deleted", false, false],
  ] as const;
  for (const [state, protect, expected] of cases)
    it(`state ${state}, protect ${protect}: ${expected}`, () => {
      const policy = mailPolicy({ protect, keepVolumes: true }, state);
      assert.deepEqual(policy, { protect: expected, keepVolumes: true });
    });
});
