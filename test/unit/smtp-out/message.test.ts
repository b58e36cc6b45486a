import assert from "node:assert/strict";
import { test } from "node:test";
import { formatMessage, parseMessage } from "../../../mailserver/message/header.ts";
import type { Transaction } from "../../../mailserver/smtp/types.ts";
import { envelopeOf, isLooping, type PrepareFacts, prepare } from "../../../mailserver/smtp-out/prepare.ts";
import { address } from "../../support/sending.ts";

const facts: PrepareFacts = {
  hostname: "mail.semail.test",
  ownNames: ["mail.semail.test", "mx.semail.test"],
  queueId: "q1",
  now: new Date("2026-01-02T03:04:05Z"),
  session: { protocol: "ESMTPSA", helo: "laptop.home", clientAddress: "192.0.2.5" },
  parameters: {},
  kind: "submitted",
  showClient: false,
};
const message = (...lines: string[]) => parseMessage(Buffer.from(lines.join("\r\n")));
const prepared = (kind: PrepareFacts["kind"], ...lines: string[]) =>
  formatMessage(prepare(message(...lines), { ...facts, kind })).toString();

test("what is parsed is written back byte for byte", () => {
  const bytes = Buffer.from("From: a\r\nSubject: x\r\n\ty\r\nX:\xff\r\n\r\nbody\r\n\r\nmore", "latin1");
  assert.deepEqual(formatMessage(parseMessage(bytes)), bytes);
});

test("a submission gets Received, Date and Message-ID, and loses Bcc", () => {
  assert.equal(
    prepared(
      "submitted",
      "From: alice@semail.test",
      "Bcc: bob@one.test,",
      "\teve@two.test",
      "Subject: x",
      "",
      "hi",
      "",
    ),
    [
      "Received: by mail.semail.test with ESMTPSA id q1;",
      "\tFri, 02 Jan 2026 03:04:05 +0000",
      "From: alice@semail.test",
      "Subject: x",
      "Date: Fri, 02 Jan 2026 03:04:05 +0000",
      "Message-ID: <q1@mail.semail.test>",
      "",
      "hi",
      "",
    ].join("\r\n"),
  );
});

for (const [field, submitted] of [
  ["Authentication-Results: mx.semail.test; dkim=pass header.d=bank.example", false],
  ["Authentication-Results:\r\n\t(x) MAIL.semail.test 1; spf=pass", false],
  ["X-Semail-Junk: yes", false],
  ["Authentication-Results: mx.bank.example; dkim=pass", true],
  ["ARC-Authentication-Results: i=1; mx.semail.test; none", true],
  ["X-Semail-Other: yes", true],
] as const) {
  test(`a submission with ${field} goes out with${submitted ? "" : "out"} it (RFC 8601 section 5)`, () => {
    const names = (kind: PrepareFacts["kind"]) =>
      prepare(message("From: a", field, "Subject: x", "", "hi"), { ...facts, kind }).fields.map(
        ({ name }) => name,
      );
    const name = field.split(":")[0]?.toLowerCase() ?? "";
    assert.equal(names("submitted").includes(name), submitted);
    // smtp-in wrote it, or let it pass.
    assert.ok(names("forwarded").includes(name));
  });
}

test("Date and Message-ID that are there stay, and nothing tells where the person writes from", () => {
  const text = prepared("submitted", "Date: then", "Message-Id: <m>", "From: a", "", "");
  assert.equal(text.match(/^(date|message-id):/gim)?.length, 2);
  assert.doesNotMatch(text, /192\.0\.2\.5|laptop/);
});

for (const [clientAddress, helo, want] of [
  ["192.0.2.5", "laptop.home", "from laptop.home ([192.0.2.5])"],
  ["2001:db8::5", "[IPv6:2001:db8::5]", "from [IPv6:2001:db8::5] ([IPv6:2001:db8::5])"],
  ["192.0.2.5", "x\r\nBcc: eve", "from unknown ([192.0.2.5])"],
] as const) {
  test(`a submission tells "${want}" where that is asked for`, () => {
    const session = { protocol: "ESMTPSA", helo, clientAddress } as const;
    const told = { ...facts, session, showClient: true, parameters: { smtputf8: true as const } };
    const text = formatMessage(prepare(message("From: a", "", ""), told)).toString();
    assert.deepEqual(text.split("\r\n\t").slice(0, 2), [
      `Received: ${want}`,
      "by mail.semail.test with UTF8SMTPSA id q1;",
    ]);
  });
}

test("forwarded mail keeps its header and tells where it came from", () => {
  const text = prepared("forwarded", "From: eve@evil.test", "Bcc: kept", "", "hi");
  assert.equal(
    text,
    [
      "Received: from laptop.home ([192.0.2.5])",
      "\tby mail.semail.test with ESMTPSA id q1;",
      "\tFri, 02 Jan 2026 03:04:05 +0000",
      "From: eve@evil.test",
      "Bcc: kept",
      "",
      "hi",
    ].join("\r\n"),
  );
});

/** RFC 6531 section 3.4. What an address needs is for those who deliver to it. */
for (const [what, said, header, body, want] of [
  ["an ASCII header", true, "Subject: x", "grüße", false],
  ["a header in UTF-8", true, "Subject: grüße", "x", true],
  ["a header in UTF-8, said to be none", undefined, "Subject: grüße", "x", false],
  ["an ASCII header, said to be none", undefined, "Subject: x", "x", false],
] as const) {
  for (const from of ["alice@semail.test", "jörg@semail.test"]) {
    test(`of ${from}, ${what}: ${want ? "" : "no "}SMTPUTF8 whoever it is for`, () => {
      const transaction: Transaction = {
        ...{ number: 1, recipients: [], from: address(from) },
        parameters: said ? { smtputf8: true } : {},
      };
      const parts = { header: Buffer.from(`${header}\r\n\r\n`), body: Buffer.from(body) };
      const { smtputf8, eightBit } = envelopeOf(transaction, parts);
      assert.deepEqual({ smtputf8, eightBit }, { smtputf8: want, eightBit: body !== "x" });
    });
  }
}

test("a first line that is no field is body", () => {
  assert.equal(prepared("forwarded", "hello world", "more").split("\r\n\r\n")[1], "hello world\r\nmore");
});

test("a hundred trace fields are a loop", () => {
  const received = (count: number) => message(...Array<string>(count).fill("Received: x"), "", "");
  assert.equal(isLooping(received(99)), false);
  assert.equal(isLooping(received(100)), true);
});

test("a header of more fields than anybody writes is refused before it takes the memory", () => {
  const many = (count: number) => parseMessage(Buffer.from(`${"a:\r\n".repeat(count)}\r\nbody`));
  assert.equal(many(10_000).fields.length, 10_000);
  assert.throws(() => many(10_001), /552 5\.3\.4/);
});
