import assert from "node:assert/strict";
import { test } from "node:test";
import { deliveredBefore, deliveredTo } from "../../../mailserver/message/delivered-to.ts";
import { parseMessage } from "../../../mailserver/message/header.ts";

const before = (...fields: string[]): string[] =>
  deliveredBefore(parseMessage(Buffer.from(`${fields.join("\r\n")}\r\n\r\nhi\r\n`)).fields).map(
    ({ text }) => text,
  );

test("where a message was before is told once, in whichever letters it is written", () => {
  const written = Array.from({ length: 32 }, (_, n) =>
    [..."alice"].map((letter, at) => ((n >> at) & 1 ? letter.toUpperCase() : letter)).join(""),
  );
  assert.equal(before(...written.map((local) => `Delivered-To: ${local}@semail.test`)).length, 1);
  assert.equal(before("Delivered-To: alice@semail.test", "DELIVERED-TO: alice@SEMAIL.test").length, 1);
});

test("each mailbox where it was is told, and nothing that is none", () => {
  assert.deepEqual(
    before(
      "Delivered-To: alice@semail.test",
      "Delivered-To: bob@semail.test",
      "Delivered-To: alice@one.test",
      "X-Delivered-To: x@semail.test",
      "Delivered-To: <",
      "Delivered-To:",
    ),
    ["alice@semail.test", "bob@semail.test", "alice@one.test"],
  );
});

test("what was written is read again", () => {
  const names = ["alice@semail.test", "o'brien@semail.test", `${"x".repeat(64)}@semail.test`];
  const text = deliveredTo(names)
    .map(({ raw }) => raw.toString())
    .join("");
  assert.deepEqual(before(text.trimEnd()), names);
});
