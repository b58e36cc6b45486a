import assert from "node:assert/strict";
import { test } from "node:test";
import { parseMessage } from "../../../mailserver/message/header.ts";
import { SmtpError } from "../../../mailserver/smtp/error.ts";
import { hopCount } from "../../../mailserver/smtp-in/received.ts";

const hops = (text: string) => hopCount(parseMessage(Buffer.from(text)));

test("hops are the Received fields of the header, in any case and folded or not", () => {
  assert.equal(hops("Received: a\r\nRECEIVED : b\r\n\tc\r\nX-Received: d\r\n\r\nReceived: e\r\n"), 2);
  assert.equal(hops("\r\nReceived: a\r\n"), 0);
  assert.equal(hops("Received: a\r\nReceived: b\r\n"), 2);
});

test("a message that is one endless header is not read to its end", () => {
  assert.throws(() => hops("Received:\r\n".repeat(1_000_000)), SmtpError);
});
