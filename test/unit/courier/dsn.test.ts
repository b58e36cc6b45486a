import assert from "node:assert/strict";
import { test } from "node:test";
import { composeDsn, type DsnFacts } from "../../../mailserver/courier/dsn.ts";

const original = [
  "Received: by mail.semail.test with ESMTPSA id 1",
  "From: Alice <alice@semail.test>",
  "To: bob@one.test",
  "Subject: a long",
  "\tfolded subject",
  "Message-ID: <m1@semail.test>",
  `X-Long: ${"a line longer than a mail program would make it = long; ".repeat(4)}`,
  "",
  "The secret body.",
  "",
].join("\r\n");

const facts: DsnFacts = {
  hostname: "mail.semail.test",
  language: "en",
  until: new Date("2026-01-06T00:00:00Z"),
  whole: false,
  from: "mailer-daemon@semail.test",
  to: "alice@semail.test",
  messageId: "<dsn@mail.semail.test>",
  now: new Date("2026-01-02T03:04:05Z"),
  arrival: new Date("2026-01-01T00:00:00Z"),
  original: Buffer.from(original),
  recipients: [
    {
      address: "bob@one.test",
      action: "failed",
      expired: false,
      answer: { code: 550, status: "5.1.1", text: "no\r\nX-Injected: yes", host: "mx.one.test" },
    },
    {
      address: "eve@two.test",
      action: "failed",
      expired: true,
      answer: { code: 451, status: "4.4.1", text: "no host answered" },
    },
  ],
};

/** The parts of a multipart message, each with its type and content. */
function parse(message: string) {
  const [header = "", ...rest] = message.split("\r\n\r\n");
  const unfolded = header.replace(/\r\n[ \t]+/g, " ");
  const boundary = /boundary="([^"]+)"/.exec(unfolded)?.[1] ?? "none";
  const parts = rest.join("\r\n\r\n").split(`--${boundary}`).slice(1, -1);
  return {
    header: unfolded,
    parts: parts.map((part) => {
      const end = part.indexOf("\r\n\r\n");
      return {
        type: /^content-type: ([^;\r\n]+)/im.exec(part)?.[1],
        encoding: /^content-transfer-encoding: (.+)/im.exec(part)?.[1],
        content: part.slice(end + 4, -2),
      };
    }),
  };
}

test("a notification is a multipart/report with text, status and the original's whole header", async () => {
  const { header, parts } = parse((await composeDsn(facts)).toString());
  assert.match(header, /^Content-Type: multipart\/report; report-type=delivery-status; boundary=/m);
  assert.match(header, /^From: Mail Delivery System <mailer-daemon@semail\.test>$/m);
  assert.match(header, /^To: alice@semail\.test$/m);
  assert.match(header, /^Auto-Submitted: auto-replied$/m);
  assert.match(header, /^In-Reply-To: <m1@semail\.test>$/m);
  assert.match(header, /^MIME-Version: 1\.0$/m);
  assert.deepEqual(
    parts.map(({ type }) => type),
    ["text/plain", "message/delivery-status", "text/rfc822-headers"],
  );
  // RFC 6522 section 3
  for (const { encoding } of parts.slice(1)) assert.equal(encoding, "7bit");
  assert.equal(parts[2]?.content, `${original.split("\r\n\r\n")[0]}\r\n`);
  assert.match(
    parts[0]?.content ?? "",
    /<bob@one\.test>\r\n {2}The mail server mx\.one\.test answered:\r\n {2}550 5\.1\.1 no X-Injected: yes\r\n {2}Check the address/,
  );
});

test("the status part has one block per recipient", async () => {
  const { parts } = parse((await composeDsn(facts)).toString());
  assert.equal(
    parts[1]?.content,
    [
      "Reporting-MTA: dns; mail.semail.test",
      "Arrival-Date: Thu, 01 Jan 2026 00:00:00 +0000",
      "",
      "Final-Recipient: rfc822; bob@one.test",
      "Action: failed",
      "Status: 5.1.1",
      "Remote-MTA: dns; mx.one.test",
      "Diagnostic-Code: smtp; 550 5.1.1 no??X-Injected: yes",
      "Last-Attempt-Date: Fri, 02 Jan 2026 03:04:05 +0000",
      "",
      "Final-Recipient: rfc822; eve@two.test",
      "Action: failed",
      "Status: 4.4.7",
      "Diagnostic-Code: smtp; 451 4.4.1 no host answered",
      "Last-Attempt-Date: Fri, 02 Jan 2026 03:04:05 +0000",
      "",
    ].join("\r\n"),
  );
});

test("the body of the original never returns", async () => {
  assert.doesNotMatch((await composeDsn(facts)).toString(), /secret body/);
});

test("a header with non-ASCII is given back as message/global-headers, unchanged", async () => {
  const wide = Buffer.from("Subject: été\r\n\r\nbody\r\n");
  const { parts } = parse((await composeDsn({ ...facts, original: wide })).toString());
  assert.equal(parts[2]?.type, "message/global-headers");
  assert.equal(parts[2]?.content, "Subject: été\r\n");
});
