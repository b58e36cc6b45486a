/** What says to be of ours and is not proven to be is not sent on. */
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { describe, test } from "node:test";
import { formatMessage, parseMessage } from "../../../mailserver/message/header.ts";
import { silentLog } from "../../../mailserver/net/log.ts";
import type { RecipientAnswer } from "../../../mailserver/policy/recipient.ts";
import { createDkimSigners } from "../../../mailserver/smtp-out/dkim.ts";
import { type Records, zoneQuery } from "../../support/zone.ts";
import { ACCEPTED, box, IMPATIENT, send, session, start } from "./support.ts";

/** SPF vouches for what a forward leaves with, so that a stranger's word for an author of ours would pass as genuine there. */
describe("mail whose author says to be of ours, and is not proven to be, stays in the person's own box:", () => {
  const OURS = "mail.org.example";
  const MTA = "v=spf1 ip4:127.0.0.1 -all";
  const signed = (domain: string): Records => ({
    [domain]: "v=spf1 -all",
    [`_dmarc.${domain}`]: "v=DMARC1; p=none",
  });
  const none = { "org.example": "v=spf1 -all" };
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2_048 });
  const published = publicKey.export({ type: "spki", format: "der" }).toString("base64");
  const KEY = { "x._domainkey.mail.org.example": `v=DKIM1; k=rsa; p=${published}` };
  const sign = async (text: string): Promise<string> => {
    const pem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    const [signer] = createDkimSigners([{ domain: OURS, selector: "x", privateKey: pem }]);
    const message = parseMessage(Buffer.from(text));
    const signature = (await signer?.sign(message, new Date())) ?? [];
    return formatMessage({ ...message, fields: [...signature, ...message.fields] }).toString();
  };
  interface Case {
    readonly author: string;
    readonly zone?: Records;
    readonly from?: string;
    /** Ours, where there are more. */
    readonly domains?: readonly string[];
    readonly signs?: true;
    readonly goes: boolean;
  }
  const cases: Readonly<Record<string, Case>> = {
    "of the domain itself": { author: "ceo@mail.org.example", zone: signed(OURS), goes: false },
    "of it with no DMARC record": { author: "ceo@mail.org.example", zone: none, goes: false },
    "of it where DNS is silent": {
      author: "ceo@mail.org.example",
      zone: { "_dmarc.mail.org.example": "ESERVFAIL" },
      goes: false,
    },
    "below it": { author: "ceo@sub.mail.org.example", zone: signed(OURS), goes: false },
    "below it, with no DMARC record": { author: "ceo@sub.mail.org.example", zone: none, goes: false },
    "above it, of the same organization": {
      author: "ceo@org.example",
      zone: signed("org.example"),
      goes: false,
    },
    "beside it, of the same organization": {
      author: "ceo@shop.org.example",
      zone: signed("org.example"),
      goes: false,
    },
    "above it, while the stranger's own DNS says nothing": {
      author: "ceo@org.example",
      zone: { ...signed("org.example"), "evil.example": "silent" },
      goes: false,
    },
    "beside it, while DNS does not say how far the organization goes": {
      author: "ceo@shop.org.example",
      zone: { "_dmarc.org.example": "ESERVFAIL", "org.example": "v=spf1 -all" },
      goes: false,
    },
    "of it, with the null reverse-path": {
      author: "ceo@mail.org.example",
      zone: signed(OURS),
      from: "",
      goes: false,
    },
    "of it, with a forged reverse-path of ours": {
      ...{ author: "ceo@mail.org.example", zone: signed(OURS), from: "ceo@mail.org.example" },
      goes: false,
    },
    "of it, with such a one while DNS does not say who may use it": {
      ...{ author: "ceo@mail.org.example", from: "ceo@mail.org.example" },
      zone: { "_dmarc.mail.org.example": "v=DMARC1; p=none", [OURS]: "ESERVFAIL" },
      goes: false,
    },
    "of it, with a subdomain of ours that may not be so strictly": {
      author: "ceo@mail.org.example",
      zone: { "_dmarc.mail.org.example": "v=DMARC1; p=none; aspf=s", "x.mail.org.example": MTA },
      from: "ceo@x.mail.org.example",
      goes: false,
    },
    "of it, behind a stranger who is proven": {
      author: "eve@evil.example, ceo@mail.org.example",
      zone: { ...signed(OURS), "evil.example": MTA },
      goes: false,
    },
    "above it, of the same organization, where it is not the only one of ours": {
      author: "ceo@org.example",
      zone: signed("org.example"),
      domains: ["first.example", OURS],
      goes: false,
    },
    "of it, with a broken signature and no DMARC record": {
      author: "ceo@mail.org.example",
      zone: { "org.example": "v=spf1 -all", "x._domainkey.mail.org.example": "v=DKIM1; k=rsa; p=" },
      signs: true,
      goes: false,
    },
    "of it as one of many": {
      author: `${Array.from({ length: 12 }, (_, n) => `a@${n}.other.example`).join(", ")}, ceo@mail.org.example`,
      goes: false,
    },
    "but proven by SPF": {
      author: "ceo@mail.org.example",
      zone: { ...signed(OURS), [OURS]: MTA },
      from: "ceo@mail.org.example",
      goes: true,
    },
    "but proven by SPF, with no DMARC record": {
      author: "ceo@mail.org.example",
      zone: { [OURS]: MTA },
      from: "ceo@mail.org.example",
      goes: true,
    },
    "but proven by DKIM": {
      author: "ceo@mail.org.example",
      zone: { ...signed(OURS), ...KEY },
      signs: true,
      goes: true,
    },
    "but proven by DKIM, with no DMARC record": {
      author: "ceo@mail.org.example",
      zone: KEY,
      signs: true,
      goes: true,
    },
    "but proven to be of the same organization": {
      author: "boss@org.example",
      zone: { ...signed("org.example"), "org.example": MTA },
      from: "boss@org.example",
      goes: true,
    },
    "but of a stranger who fails DMARC": {
      author: "eve@soft.example",
      zone: { "_dmarc.soft.example": "v=DMARC1; p=quarantine" },
      goes: true,
    },
    "but of a stranger whose DNS is silent": {
      author: "eve@evil.example",
      zone: { "_dmarc.evil.example": "silent", "evil.example": "silent" },
      goes: true,
    },
    "but of one above us that is another organization, however long the stranger's DNS takes": {
      author: "eve@org.example",
      zone: {
        "_dmarc.org.example": "v=DMARC1; p=none",
        "_dmarc.mail.org.example": "v=DMARC1; p=none; psd=n",
        "evil.example": "silent",
      },
      goes: true,
    },
    "but of an organization that only ends alike": {
      author: "eve@xmail.org.example",
      zone: signed(OURS),
      goes: true,
    },
  };
  const directory = {
    findRecipient: async (): Promise<RecipientAnswer> => ({
      ...{ kind: "box", uid: "frank", host: "127.0.0.1", forward: "frank@foreign.example" },
    }),
    close: async () => {},
  };
  for (const [
    name,
    { author, zone = {}, from = "eve@evil.example", domains = [OURS], signs, goes },
  ] of Object.entries(cases)) {
    for (const checked of [true, false]) {
      // What is not looked up is not proven, and of what is above our domain or beside it nothing is known.
      if (!checked && (goes || !/[@.]mail\.org\.example$/.test(author))) continue;
      test(`${name}${checked ? "" : ", without a resolver"}`, async () => {
        const to = await box();
        let told = 0;
        const info = (event: string): void => {
          if (event === "forward.withheld") told += 1;
        };
        const daemon = await start({
          lmtpPort: to.listener.port,
          settings: { domains: [...domains], senders: IMPATIENT },
          deps: { directory, log: { ...silentLog, info }, ...(checked && { query: zoneQuery(zone) }) },
        });
        const plain = `From: ${author}\r\nSubject: x\r\n\r\nhi\r\n`;
        const text = signs ? await sign(plain) : plain;
        assert.deepEqual(await send(await session(daemon), [`frank@${OURS}`], text, from), ACCEPTED);
        assert.equal(to.messages.length, 1);
        assert.equal((await daemon.queue.counts()).items, goes ? 1 : 0);
        assert.equal(told, goes ? 0 : 1);
      });
    }
  }
});
