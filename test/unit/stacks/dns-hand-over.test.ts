import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checkHandOver } from "../../../stacks/dns/hand-over.ts";

const record = (zone: string, type: string) => ({ zone, type, ttl: 10_800 });
const all = [record("a.test", "MX"), record("a.test", "TXT"), record("b.test", "MX"), record("b.test", "A")];

describe("records that are somebody else's to enter", () => {
  const cases = {
    "a stack that has none says nothing": { published: [], changeNow: false, severity: undefined },
    "those of a stack are refused to go": { published: all, changeNow: false, severity: "error" },
    "they go when that is said": { published: all, changeNow: true, severity: "warning" },
  } as const;
  for (const [name, { published, changeNow, severity }] of Object.entries(cases))
    it(name, () => {
      const [finding, ...more] = checkHandOver(published, changeNow);
      assert.deepEqual(more, []);
      assert.equal(finding?.severity, severity);
      if (finding === undefined) return;
      assert.equal(finding.record, "a.test, b.test");
      assert.match(finding.message, /takes the stack's 4 records out/);
    });
});
