/** Shapes of messages that a check of their sender could take minutes for, in which a worker does nothing else. */
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { describe, test } from "node:test";
import { authorOf } from "../../../mailserver/message/author.ts";
import { formatMessage, type Message, parseMessage } from "../../../mailserver/message/header.ts";
import { isLegible, legible, squeeze, squeezed } from "../../../mailserver/message/legible.ts";
import { silentLog } from "../../../mailserver/net/log.ts";
import { systemClock } from "../../../mailserver/queue/clock.ts";
import { createSenderCheck } from "../../../mailserver/smtp-in/check-sender.ts";
import { createDkimSigners } from "../../../mailserver/smtp-out/dkim.ts";
import { zoneQuery } from "../../support/zone.ts";

const ORIGIN = { id: "a", ip: "192.0.2.1", helo: "x.test", from: "a@x.test" };
const FROM = "From: a@x.test\r\n";
const pair = generateKeyPairSync("rsa", { modulusLength: 2_048 });
const key = pair.publicKey.export({ type: "spki", format: "der" }).toString("base64");
const [signer] = createDkimSigners([
  {
    ...{ domain: "x.test", selector: "s1" },
    privateKey: pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  },
]);

const check = (zone: Parameters<typeof zoneQuery>[0] = {}) =>
  createSenderCheck({
    ...{ hostname: "mx.semail.test", domains: [], query: zoneQuery(zone), timeoutMs: 10_000 },
    ...{ clock: systemClock, log: silentLog },
  });

/** Text of about so many bytes. */
const filled = (piece: string, bytes: number): string =>
  piece.repeat(Math.floor(bytes / Buffer.byteLength(piece)));
const signature = (more: string): string =>
  `DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=x.test; s=s1; h=from; bh=A; b=A${more}\r\n`;

/** Nearly as large as a header may be, and what would take longest at that. */
const MOST = 900_000;
const SHAPES: Readonly<Record<string, string>> = {
  "blanks in a signature": FROM + signature(`; n=a${filled(" ", MOST)}x`),
  "blanks in each of many signatures": FROM + filled(signature(`; n=a${" ".repeat(30_000)}x`), MOST),
  "blanks in each of many seals": FROM + filled(`ARC-Seal: i=1; n=a${" ".repeat(30_000)}x\r\n`, MOST),
  "blanks in short seals": FROM + filled(`ARC-Seal: i=1; n=a${" ".repeat(8_000)}x\r\n`, MOST),
  "blanks in a field that is signed": `${FROM + signature("")}Subject: a${filled(" ", MOST)}b\r\n`,
  "folds of nothing": `${FROM + signature("")}Subject: a${filled("\r\n ", MOST)}b\r\n`,
  "folds of a letter": `${FROM + signature("")}Subject: a${filled("\r\n b", MOST)}\r\n`,
  "folds of a letter, without a signature": `${FROM}Subject: a${filled("\r\n b", MOST)}\r\n`,
  "many groups of authors": `From: ${filled("a:", MOST)}\r\n`,
  "many words that mention a domain": `From: ${filled("@é.é.é.é.é.é.-", MOST)}\r\n`,
  "many fields of authors": filled(`From: ${"a:;".repeat(3_000)}\r\n`, MOST),
  "many fields of authors that mention domains": filled(`From: ${"@é.é,".repeat(1_400)}\r\n`, MOST),
};

/** Without the bounds these take minutes, in one piece; with them, a moment on any machine. */
const HANGS = { timeout: 60_000 };

describe("the check of a sender takes a moment for", () => {
  for (const [name, header] of Object.entries(SHAPES)) {
    test(name, HANGS, async () => {
      const { fields } = await check()(parseMessage(Buffer.from(`${header}\r\nhello\r\n`)), ORIGIN);
      assert.match(fields, /^Authentication-Results: mx\.semail\.test;/);
    });
  }

  test("a key in DNS that is mostly blanks", HANGS, async () => {
    const zone = { "s1._domainkey.x.test": `v=DKIM1; k=rsa; n=a${" ".repeat(60_000)}x; p=AAAA` };
    const message = parseMessage(Buffer.from(`${FROM}${signature("").repeat(10)}\r\nhello\r\n`));
    assert.match((await check(zone)(message, ORIGIN)).fields, /dkim=/);
  });
});

const named = ({ fields }: Message, name: string): number =>
  fields.filter((field) => field.name === name).length;

describe("what is read of a message", () => {
  const read = (header: string): Message => legible(parseMessage(Buffer.from(`${header}\r\nhello\r\n`)));

  test("is all of one that somebody wrote, byte for byte", () => {
    const header = `${FROM}To: ${"somebody@example.test,\r\n\t".repeat(300)}b@example.test\r\nSubject:  two  blanks \r\n`;
    const message = parseMessage(Buffer.from(`${header}${signature("")}\r\nhello\r\n`));
    assert.deepEqual(formatMessage(legible(message)), formatMessage(message));
  });

  const kinds: readonly (readonly [string, string, number])[] = [
    ["ten signatures", signature("").repeat(30), 10],
    [
      "three ways of hashing the body",
      [1, 2, 3, 4, 5].map((length) => signature(`; l=${length}`)).join(""),
      3,
    ],
    [
      "as many signatures as there are of these ways",
      [1, 2, 3, 1, 2, 3, 4].map((length) => signature(`;\r\n\tl = ${length}`)).join(""),
      6,
    ],
    ["no signature that is longer than any", signature(`; n=${"x".repeat(9_000)}`) + signature(""), 1],
  ];
  for (const [what, header, count] of kinds) {
    test(`is ${what}`, () => assert.equal(named(read(FROM + header), "dkim-signature"), count));
  }

  test("is fifty sets of seals", () => {
    assert.equal(named(read(FROM + "ARC-Seal: i=1; cv=none\r\n".repeat(400)), "arc-seal"), 150);
  });

  test("is no From field that is longer than any", () => {
    assert.equal(named(read(`From: ${"a@b.test, ".repeat(2_000)}c@b.test\r\n`), "from"), 0);
  });

  test("is the words of a text that is mostly blanks", () => {
    assert.equal(squeeze(`a${" ".repeat(101)}b`), "a b");
    assert.equal(squeeze(`a${" \t\r\n ".repeat(50)}b`), "a b");
    assert.equal(squeeze(`a${" ".repeat(100)}b`), `a${" ".repeat(100)}b`);
  });
});

describe("a signature holds beside", () => {
  const odd: Readonly<Record<string, string>> = {
    "a run of blanks": `Subject: a${" ".repeat(500)}b\r\n`,
    "a run of folds": `Subject: a${"\r\n ".repeat(500)}b\r\n`,
    "a header of very many lines": `Subject: a\r\nTo: ${"x@y.test,\r\n ".repeat(6_000)}z@y.test\r\n`,
    "blanks at the end of a field": `Subject: a${" ".repeat(500)}\r\nX-Other: b\r\n`,
  };
  for (const [what, fields] of Object.entries(odd)) {
    test(what, async () => {
      const message = parseMessage(Buffer.from(`${FROM}${fields}\r\nhello\r\n`));
      const signed = await signer?.sign(message, new Date());
      const whole = { ...message, fields: [...(signed ?? []), ...message.fields] };
      const zone = { "s1._domainkey.x.test": `v=DKIM1; k=rsa; p=${key}` };
      const { fields: found } = await check(zone)(whole, ORIGIN);
      assert.match(found, /dkim=pass/);
      assert.ok(squeezed(message).fields.every(({ raw }) => raw.toString().endsWith("\r\n")));
    });
  }
});

describe("the authors of a From field without end", () => {
  test("are unclear, and those at either end are known", () => {
    const fields = parseMessage(
      Buffer.from(`From: a@first.test, ${"x, ".repeat(90_000)} z@last.test\r\n\r\n`),
    ).fields;
    assert.deepEqual(authorOf(fields), { clear: false, domains: ["first.test", "last.test"] });
    assert.equal(fields.every(isLegible), false);
  });

  test("are unclear in many fields, and those of the first and the last are known", () => {
    const many = Array.from({ length: 500 }, (_, number) => `From: a@d${number}.test\r\n`).join("");
    const { clear, domains } = authorOf(parseMessage(Buffer.from(`${many}\r\n`)).fields);
    assert.equal(clear, false);
    for (const domain of ["d0.test", "d9.test", "d490.test", "d499.test"])
      assert.ok(domains.includes(domain), domain);
  });
});
