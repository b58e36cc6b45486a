import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { describe, test } from "node:test";
import type { SenderSettings } from "../../../mailserver/contract.ts";
import { formatMessage, parseMessage } from "../../../mailserver/message/header.ts";
import { createDkimSigners } from "../../../mailserver/smtp-out/dkim.ts";
import { type Records, zoneQuery } from "../../support/zone.ts";
import { box, send, session, start } from "./support.ts";

const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2_048 });
const KEY = publicKey.export({ type: "spki", format: "der" }).toString("base64");
const PEM = privateKey.export({ type: "pkcs8", format: "pem" }).toString();

const ZONE: Records = {
  "ours.example": "v=spf1 ip4:127.0.0.1 -all",
  "_dmarc.ours.example": "v=DMARC1; p=reject",
  "s1._domainkey.signed.example": `v=DKIM1; k=rsa; p=${KEY}`,
  "_dmarc.signed.example": "v=DMARC1; p=reject",
  "s1._domainkey.testing.example": `v=DKIM1; k=rsa; t=y; p=${KEY}`,
  "_dmarc.testing.example": "v=DMARC1; p=quarantine",
  "_dmarc.sampled.example": "v=DMARC1; p=reject; pct=0",
  "_dmarc.trying.example": "v=DMARC1; p=reject; t=y",
  "forged.example": "v=spf1 -all",
  "_dmarc.forged.example": "v=DMARC1; p=reject",
  "_dmarc.soft.example": "v=DMARC1; p=quarantine",
  "news_letter._x.ours.example": "v=spf1 exists:%{l}.%{d}.list.example -all",
  "bounce.news_letter._x.ours.example.list.example": { A: ["127.0.0.2"] },
  "news_letter_of_the_shop.ours.example": "v=spf1 ip4:127.0.0.1 -all",
  "strict_ly.ours.example": "v=spf1 ip4:127.0.0.1 -all",
  "_dmarc.strict_ly.ours.example": "v=DMARC1; p=reject; aspf=s",
  "b_b.forged.example": "v=spf1 -all",
  "broken_spf.example": "ESERVFAIL",
  "broken-spf.example": "ESERVFAIL",
  "_dmarc.broken-spf.example": "v=DMARC1; p=reject",
};

async function sign(text: string, domain: string): Promise<string> {
  const message = parseMessage(Buffer.from(text));
  const [signer] = createDkimSigners([{ domain, selector: "s1", privateKey: PEM }]);
  const signature = (await signer?.sign(message, new Date())) ?? [];
  return formatMessage({ ...message, fields: [...signature, ...message.fields] }).toString();
}

const from = (domain: string, more = ""): string =>
  `From: Bob <bob@${domain}>\r\n${more}Subject: x\r\nDate: Wed, 1 Jan 2025 00:00:00 +0000\r\n\r\nhi\r\n`;

interface Case {
  readonly sender: string;
  readonly text: string | Promise<string>;
  readonly settings?: Partial<SenderSettings>;
  readonly want: string;
  readonly results?: RegExp;
  readonly junk?: boolean;
}

const TAKEN = "250 2.0.0";
const cases: Readonly<Record<string, Case>> = {
  "SPF passes for the author's domain": {
    ...{ sender: "bob@ours.example", text: from("ours.example"), want: TAKEN },
    results: /spf=pass .*smtp\.mailfrom=.*dmarc=pass/s,
  },
  "SPF passes for a domain with underscores, by the names that they have in DNS": {
    ...{ sender: "bounce@news_letter._x.ours.example", text: from("ours.example"), want: TAKEN },
    results:
      /spf=pass \(.*smtp\.mailfrom=bounce@news_letter\._x\.ours\.example;.*dmarc=pass.*envelope-from="bounce@news_letter\._x\.ours\.example"/s,
  },
  "SPF passes for a domain with many underscores in a row of words": {
    ...{ sender: "bob@news_letter_of_the_shop.ours.example", text: from("ours.example"), want: TAKEN },
    results: /spf=pass .*smtp\.mailfrom=news_letter_of_the_shop\.ours\.example;/s,
  },
  "SPF passes for an author's domain with an underscore that must be the very same": {
    ...{ sender: "bob@strict_ly.ours.example", text: from("strict_ly.ours.example"), want: TAKEN },
    results: /dmarc=pass/,
  },
  "SPF fails for another of its users": {
    ...{ sender: "eve@news_letter._x.ours.example", text: from("ours.example"), want: "550 5.7.1" },
  },
  "SPF fails for a domain with underscores": {
    ...{ sender: "eve@b_b.forged.example", text: from("forged.example"), want: "550 5.7.1" },
  },
  "SPF of a domain with underscores that can't be looked up is no proof": {
    ...{
      sender: "eve@broken_spf.example",
      text: from("plain.example"),
      want: TAKEN,
      results: /spf=temperror/,
    },
  },
  "a DKIM signature of the author's domain passes": {
    sender: "list@elsewhere.example",
    text: sign(from("signed.example"), "signed.example"),
    ...{ want: TAKEN, results: /dkim=pass header\.i=@signed\.example.*dmarc=pass/s },
  },
  "a DKIM signature that does not hold is refused": {
    sender: "list@elsewhere.example",
    text: sign(from("signed.example"), "signed.example").then((text) => text.replace("hi", "ha")),
    want: "550 5.7.1",
  },
  "a DKIM signature by a key that its domain only tests is none": {
    sender: "list@elsewhere.example",
    text: sign(from("testing.example"), "testing.example"),
    ...{ want: TAKEN, results: /dkim=pass .*dmarc=fail/s, junk: true },
  },
  "a DMARC policy is for all mail, whatever its pct says": {
    ...{ sender: "eve@ours.example", text: from("sampled.example"), want: "550 5.7.1" },
  },
  "a DMARC policy that is tested is one step milder": {
    ...{ sender: "eve@ours.example", text: from("trying.example"), want: TAKEN },
    ...{ results: /dmarc=fail/, junk: true },
  },
  "a forger is refused": { sender: "bob@forged.example", text: from("forged.example"), want: "550 5.7.1" },
  "a forger with another reverse-path is refused": {
    ...{ sender: "eve@ours.example", text: from("forged.example"), want: "550 5.7.1" },
  },
  "a forger with the null reverse-path is refused": {
    sender: "",
    text: from("forged.example"),
    want: "550 5.7.1",
  },
  "a forger is marked where that is set": {
    ...{ sender: "bob@forged.example", text: from("forged.example"), settings: { reject: "junk" } },
    ...{ want: TAKEN, results: /dmarc=fail/, junk: true },
  },
  "quarantine is marked": {
    ...{
      sender: "eve@ours.example",
      text: from("soft.example"),
      want: TAKEN,
      results: /dmarc=fail/,
      junk: true,
    },
  },
  "two From fields, one of them forged, are refused": {
    sender: "eve@ours.example",
    text: from("ours.example", "From: boss@forged.example\r\n"),
    want: "550 5.7.1",
  },
  "two From fields are marked": {
    sender: "eve@ours.example",
    text: from("ours.example", "From: boss@plain.example\r\n"),
    ...{ want: TAKEN, results: /dmarc=permerror/, junk: true },
  },
  "nobody's domain is accepted": {
    ...{ sender: "bob@plain.example", text: from("plain.example"), want: TAKEN, results: /spf=none/ },
  },
  "SPF that can't be looked up is no forgery, and no proof": {
    ...{ sender: "bob@broken-spf.example", text: from("broken-spf.example"), want: "451 4.4.3" },
  },
  "SPF that can't be looked up is deferred where that is set": {
    ...{
      sender: "bob@broken-spf.example",
      text: from("broken-spf.example"),
      settings: { dnsFailure: "defer" },
    },
    want: "451 4.4.3",
  },
  "somebody else's broken DNS is no shelter for a forger": {
    ...{ sender: "eve@broken-spf.example", text: from("forged.example"), want: "550 5.7.1" },
  },
  "results and marks that the sender wrote go": {
    sender: "bob@ours.example",
    text: from(
      "ours.example",
      "Authentication-Results: mx.semail.test; dkim=pass forged\r\nX-Semail-Junk: yes\r\nAuthentication-Results: other.example; none\r\n",
    ),
    ...{ want: TAKEN, results: /^(?!.*forged).*other\.example/s, junk: false },
  },
  "a message that is no message is marked": {
    ...{ sender: "bob@ours.example", text: "hello\r\n", want: TAKEN, junk: true },
  },
};

describe("senders are checked:", () => {
  for (const [name, { sender, text, settings, want, results = /./, junk = false }] of Object.entries(cases)) {
    test(name, async () => {
      const to = await box();
      const senders = {
        reject: "refuse",
        quarantine: "junk",
        dnsFailure: "accept",
        timeoutMs: 10_000,
      } as const;
      const daemon = await start({
        lmtpPort: to.listener.port,
        settings: { senders: { ...senders, ...settings } },
        deps: { query: zoneQuery(ZONE) },
      });
      const found = await send(await session(daemon), ["alice@semail.test"], await text, sender);
      assert.deepEqual(found, ["250 2.1.5", want]);
      assert.equal(to.messages.length, want === TAKEN ? 1 : 0);
      if (want !== TAKEN) return;
      const header = to.messages[0]?.text ?? "";
      assert.match(header, /^Received: from .*\r\nAuthentication-Results: mx\.semail\.test;/s);
      assert.match(header, results);
      assert.equal(/^X-Semail-Junk: yes\r$/m.test(header), junk);
    });
  }

  test("without a resolver they are not, and what claims to be checked goes all the same", async () => {
    const to = await box();
    const client = await session(await start({ lmtpPort: to.listener.port }));
    const text = from(
      "forged.example",
      "X-Semail-Junk: no\r\nAuthentication-Results: MX.semail.test; spf=pass\r\n",
    );
    assert.deepEqual(await send(client, ["alice@semail.test"], text), ["250 2.1.5", TAKEN]);
    assert.doesNotMatch(to.messages[0]?.text ?? "", /Junk|Authentication-Results/);
  });
});
