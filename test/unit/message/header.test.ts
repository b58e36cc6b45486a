import assert from "node:assert/strict";
import { test } from "node:test";
import { formatMessage, parseMessage } from "../../../mailserver/message/header.ts";

const LINE = "From bob@example.test Mon Nov 30 17:00:00 2026";
/** A message, its fields, and how it goes on unless it does so as it is. */
const CASES: Readonly<Record<string, readonly [string, readonly string[], string?]>> = {
  "a first line of a mailbox": [
    `${LINE}\r\nFrom: b@c.test\r\nSubject: x\r\n\r\nhi\r\n`,
    ["x-mailbox-line", "from", "subject"],
    `X-Mailbox-Line: ${LINE}\r\nFrom: b@c.test\r\nSubject: x\r\n\r\nhi\r\n`,
  ],
  "one that is quoted": [
    `>${LINE}\r\nFrom: b@c.test\r\n\r\nhi\r\n`,
    ["x-mailbox-line", "from"],
    `X-Mailbox-Line: >${LINE}\r\nFrom: b@c.test\r\n\r\nhi\r\n`,
  ],
  "one with bytes of any kind, and no body": [
    "From b\xe9b\r\nFrom: b@c.test\r\n",
    ["x-mailbox-line", "from"],
    "X-Mailbox-Line: From b\xe9b\r\nFrom: b@c.test\r\n\r\n",
  ],
  "a field From with a blank before its colon": [
    "From : b@c.test\r\nTo: d@e.test\r\n\r\nhi\r\n",
    ["from", "to"],
  ],
  "a field that begins so": ["From-bob: x\r\n\r\nhi\r\n", ["from-bob"]],
  "one below a field": [
    `Subject: x\r\n${LINE}\r\nTo: b@c.test\r\n\r\nhi\r\n`,
    ["subject"],
    `Subject: x\r\n\r\n${LINE}\r\nTo: b@c.test\r\n\r\nhi\r\n`,
  ],
  "a text without a header": [
    "From my window I see\r\nthe sea.\r\n",
    [],
    "\r\nFrom my window I see\r\nthe sea.\r\n",
  ],
  "such a line in the body": [`\r\n${LINE}\r\nTo: b@c.test\r\n`, []],
  "such a line alone": [`${LINE}\r\n`, [], `\r\n${LINE}\r\n`],
  "such a line without an end": [LINE, [], `\r\n${LINE}`],
  nothing: ["", [], "\r\n"],
};
for (const [name, [text, names, formatted = text]] of Object.entries(CASES)) {
  test(`a message with ${name}`, () => {
    const message = parseMessage(Buffer.from(text, "latin1"));
    assert.deepEqual(
      message.fields.map((field) => field.name),
      names,
    );
    assert.equal(formatMessage(message).toString("latin1"), formatted);
  });
}
