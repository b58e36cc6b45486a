import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { standIn } from "../../../mailserver/smtp-in/stand-in.ts";

describe("a domain is shown", () => {
  for (const [address, shown] of [
    ["a@b_c.test", "a@bu1uc.test"],
    ["a_a@_b_.c_.test", "a_a@u1ubu1u.cu1u.test"],
    ['"a@x_y"@b_c.test', '"a@x_y"@bu1uc.test'],
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
