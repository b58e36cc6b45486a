import assert from "node:assert/strict";
import { test } from "node:test";
import { createNotification } from "../../../mailserver/courier/notification.ts";

const compose = createNotification({
  hostname: "mail.semail.test",
  domains: ["semail.test"],
  newId: () => "dsn",
  clock: { now: () => 0 },
  language: "en",
  giveUpMs: 1_000,
  maxBytes: 100_000,
  destination: () => "mx:one.test",
});
const envelope = { from: "bob@one.test", eightBit: false, smtputf8: false };
const answer = {
  code: 550,
  status: "5.1.1",
  text: "<secret@two.test> is unknown: secret=two.test@bounces",
  host: "mx.two.test",
};

async function notify(originals?: readonly string[]): Promise<string> {
  const recipient = { seq: 0, address: "secret@two.test", state: "failed", owed: "failed", answer } as const;
  const recipients = [originals === undefined ? recipient : { ...recipient, originals }];
  const { body } = await compose(
    { id: "a", created: 0, envelope, recipients },
    Buffer.from("Subject: x\r\n\r\n"),
  );
  return Buffer.from(body).toString();
}

test("a forwarded recipient is told of by all the names that the sender used, and by no other", async () => {
  const text = await notify(["ann@semail.test", "ben@semail.test"]);
  for (const name of ["ann", "ben"]) {
    assert.match(text, new RegExp(`^Original-Recipient: rfc822; ${name}@semail\\.test\r$`, "m"));
    assert.match(text, new RegExp(`^Final-Recipient: rfc822; ${name}@semail\\.test\r$`, "m"));
    assert.match(text, new RegExp(`^<${name}@semail\\.test>\r$`, "m"));
  }
  assert.match(text, /^Status: 5\.1\.1\r$/m);
  assert.doesNotMatch(text, /secret|two\.test/);
});

test("a sender who wrote the address of a forward too hears of that by its own name", async () => {
  const text = await notify(["secret@two.test", "ann@semail.test"]);
  assert.match(
    text,
    /^Final-Recipient: rfc822; secret@two\.test\r\n(?:.*\r\n)*?Remote-MTA: dns; mx\.two\.test/m,
  );
  assert.match(text, /^Final-Recipient: rfc822; ann@semail\.test\r$/m);
});

test("a recipient that is not forwarded is told of with the words of its server", async () => {
  const text = await notify();
  assert.match(text, /^Diagnostic-Code: smtp; 550 5\.1\.1 <secret@two\.test> is unknown/m);
  assert.doesNotMatch(text, /Original-Recipient/);
});

for (const from of ["a..b.@one.test", ".a@news_letter.test", '"a..b"@one.test']) {
  test(`a sender called ${from} is told at that very address`, async () => {
    const recipient = { seq: 0, address: "kim@two.test", state: "failed", owed: "failed", answer } as const;
    const sent = { id: "a", created: 0, envelope: { ...envelope, from }, recipients: [recipient] };
    const { recipients } = await compose(sent, Buffer.from("Subject: x\r\n\r\n"));
    assert.deepEqual(
      recipients.map(({ address }) => address),
      [from],
    );
  });
}
