import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { standIn } from "../../../mailserver/smtp-in/stand-in.ts";

describe("a domain is shown", () => {
  for (const [address, shown] of [
    ["a@b_c.test", "a@u1u0u.test"],
    ["a_a@_b_.c_.test", "a_a@u1u0u.u1u1u.test"],
    ['"a@x_y"@b_c.test', '"a@x_y"@u1u0u.test'],
    ["a@plain.B_c.test", "a@plain.u1u1u.test"],
    [`a@${"_".repeat(63)}.test`, "a@u1u0u.test"],
    ["a_a@b.test", "a_a@b.test"],
    ["a@bü_c.test", "a@bü_c.test"],
    ["a@[127.0.0.1]", "a@[127.0.0.1]"],
    ["", ""],
  ] as const) {
    test(`of ${address || "nobody"} as ${shown || "none"}, and has its name again`, () => {
      const found = standIn(address, "u1u");
      assert.equal(found.address, shown);
      assert.equal(found.back(found.address), address);
    });
  }
});
