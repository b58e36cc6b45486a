import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { toDelivery } from "../../../mailserver/queue/delivery.ts";

const envelope = { eightBit: false, smtputf8: false };
const body = Buffer.from("x");

describe("what was queued leaves as it came", () => {
  for (const text of [
    "a@b.test",
    "a..b@c.test",
    ".a.@b_c.test",
    '"a..b"@c.test',
    '"a b"@c.test',
    "ü.@bü_c.test",
  ]) {
    test(text, () => {
      const { from, recipients } = toDelivery({
        ...{ item: { envelope: { ...envelope, from: text } }, body },
        recipients: [{ seq: 0, address: text, attempts: 0, destination: "x" }],
      });
      assert.deepEqual([from?.text, ...recipients.map((address) => address.text)], [text, text]);
    });
  }

  test("and nothing that is no address", () => {
    for (const text of ["a", "a@b\r\nDATA", "a b@c.test", "a@b.test>", "..@b.test"])
      assert.throws(
        () => toDelivery({ item: { envelope: { ...envelope, from: text } }, recipients: [], body }),
        /is no address/,
      );
  });
});
