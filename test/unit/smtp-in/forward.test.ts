import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { describe, test } from "node:test";
import { SenderSettings, SessionLimits } from "../../../mailserver/contract.ts";
import { formatMessage, parseMessage } from "../../../mailserver/message/header.ts";
import { silentLog } from "../../../mailserver/net/log.ts";
import { DirectoryUnavailable, type RecipientAnswer } from "../../../mailserver/policy/recipient.ts";
import { rewrite } from "../../../mailserver/policy/srs.ts";
import { makeAddress, parseEnvelopeAddress } from "../../../mailserver/smtp/address.ts";
import * as replies from "../../../mailserver/smtp/replies.ts";
import type { Decision, Reply } from "../../../mailserver/smtp/types.ts";
import { createDkimSigners } from "../../../mailserver/smtp-out/dkim.ts";
import { sessionOptions } from "../../../mailserver/smtp-out/session-options.ts";
import { type Records, zoneQuery } from "../../support/zone.ts";
import { box, relay, send, session, start, vouching } from "./support.ts";

const refused = (reply: Reply): Decision => ({ kind: "refuse", reply });
const TAKEN = ["250 2.1.5", "250 2.0.0"];
/** Does not wait long for a DNS that says nothing. */
const IMPATIENT = SenderSettings.parse({ timeoutMs: 200 });

describe("a person with a forward address", () => {
  test("gets the message in both places", async () => {
    const [to, out] = [await box(), await relay()];
    const client = await session(await start({ lmtpPort: to.listener.port, relayPort: out.listener.port }));
    assert.deepEqual(await send(client, ["frank@semail.test"]), TAKEN);
    await out.reached(1);
    assert.deepEqual(out.messages[0]?.to, ["frank@foreign.example"]);
    assert.equal(out.messages[0]?.from, "bob@foreign.example");
    assert.equal(to.messages[0]?.text, out.messages[0]?.text);
  });

  test("gets it there with what we found of its sender (RFC 8617 section 5.1: a seal carries it on)", async () => {
    const [to, out] = [await box(), await relay()];
    const daemon = await start({
      ...{ lmtpPort: to.listener.port, relayPort: out.listener.port },
      deps: { query: zoneQuery({ "foreign.example": "v=spf1 ip4:127.0.0.1 -all" }) },
    });
    const text = "From: bob@foreign.example\r\nSubject: x\r\n\r\nhi\r\n";
    assert.deepEqual(await send(await session(daemon), ["frank@semail.test"], text), TAKEN);
    await out.reached(1);
    assert.match(
      out.messages[0]?.text ?? "",
      /^Received: .*^Authentication-Results: mx\.semail\.test;.*spf=pass.*smtp\.mailfrom=foreign\.example/ms,
    );
  });

  describe("gets it there with SMTPUTF8 where that is needed, and their own copy as always (RFC 6531):", () => {
    const [plain, wide] = ["Subject: hello\r\n\r\nhi\r\n", "Subject: grüße\r\n\r\nhi\r\n"];
    const cases: Readonly<Record<string, readonly [to: string, mail: string, text: string, want: boolean]>> =
      {
        nothing: ["frank", "", plain, false],
        "nothing, although it was said": ["frank", " SMTPUTF8", plain, false],
        "nothing but how the person was written to": ["frank+ü", " SMTPUTF8", plain, false],
        "the header": ["frank", " SMTPUTF8", wide, true],
        "the header, of which nothing was said": ["frank", "", wide, false],
        "the forward address": ["jan", "", plain, true],
        both: ["jan", " SMTPUTF8", wide, true],
      };
    for (const [what, [person, parameter, text, want]] of Object.entries(cases)) {
      test(what, async () => {
        const to = await box();
        const relayed = Promise.withResolvers<boolean>();
        const out = await relay({
          policy: {
            mail: ({ parameters }) => {
              relayed.resolve(parameters.smtputf8 === true);
              return { kind: "accept" };
            },
          },
        });
        const ports = { lmtpPort: to.listener.port, relayPort: out.listener.port };
        const client = await session(await start(ports));
        await client.say(`MAIL FROM:<bob@foreign.example>${parameter}`);
        const named = Buffer.from(`RCPT TO:<${person}@semail.test>`).toString("latin1");
        assert.equal(await client.say(named), "250 2.1.5");
        assert.equal(await client.say("DATA"), "354");
        client.write(Buffer.from(`${text}.\r\n`).toString("latin1"));
        assert.equal(await client.reply(), "250 2.0.0");
        assert.equal(to.messages.length, 1);
        assert.equal(await relayed.promise, want);
      });
    }
  });

  const trouble = {
    "is down": undefined,
    "refuses for now": { message: () => refused(replies.localError) },
    "refuses the login": { auth: () => refused(replies.authFailed) },
  };
  for (const [name, policy] of Object.entries(trouble)) {
    test(`gets their own copy when the relay ${name}; the other waits`, async () => {
      const to = await box();
      const relayPort = policy === undefined ? 1 : (await relay({ policy })).listener.port;
      const daemon = await start({ lmtpPort: to.listener.port, relayPort });
      assert.deepEqual(await send(await session(daemon), ["frank@semail.test"]), TAKEN);
      assert.equal(to.messages.length, 1);
      assert.equal((await daemon.queue.counts()).items, 1);
    });
  }

  test("the relay refuses for good: the sender is told, and the box keeps its copy", async () => {
    const to = await box();
    const out = await relay({
      policy: {
        rcpt: (_, { address }) =>
          address.local === "frank" ? { kind: "refuse", reply: replies.relayDenied } : { kind: "accept" },
      },
    });
    const ports = { lmtpPort: to.listener.port, relayPort: out.listener.port };
    const client = await session(await start({ ...ports, deps: { query: vouching } }));
    assert.deepEqual(await send(client, ["frank@semail.test"]), TAKEN);
    await out.reached(1);
    assert.equal(out.messages[0]?.from, "");
    assert.deepEqual(out.messages[0]?.to, ["bob@foreign.example"]);
    const text = out.messages[0]?.text ?? "";
    assert.match(
      text,
      /Original-Recipient: rfc822; frank@semail\.test\r\nFinal-Recipient: rfc822; frank@semail\.test/,
    );
    assert.match(text, /<frank@semail\.test>\r\n/);
    assert.match(text, /^Diagnostic-Code: smtp; 550 5\.7\.1 This person's mail is forwarded/m);
    assert.equal(to.messages.length, 1);
  });

  test("a sender of an odd name is told so by that name", async () => {
    const to = await box();
    const out = await relay({
      policy: {
        rcpt: (_, { address }) =>
          address.local === "frank" ? { kind: "refuse", reply: replies.relayDenied } : { kind: "accept" },
      },
    });
    const ports = { lmtpPort: to.listener.port, relayPort: out.listener.port };
    const client = await session(await start({ ...ports, deps: { query: vouching } }));
    assert.deepEqual(await send(client, ["frank@semail.test"], undefined, "b..ob.@foreign.example"), TAKEN);
    await out.reached(1);
    assert.deepEqual(out.messages[0]?.to, ["b..ob.@foreign.example"]);
  });

  test("never has it shown to the sender, even if the one who refuses quotes it", async () => {
    const to = await box();
    const quoting = replies.reply(550, "5.1.1", "no frank at foreign.example: <FRANK%40foreign.example>");
    const out = await relay({
      policy: {
        rcpt: (_, { address }) => (address.local === "frank" ? refused(quoting) : { kind: "accept" }),
      },
    });
    const ports = { lmtpPort: to.listener.port, relayPort: out.listener.port };
    const client = await session(await start({ ...ports, deps: { query: vouching } }));
    await send(client, ["frank@semail.test"], undefined, "bob@other.example");
    await out.reached(1);
    assert.deepEqual(out.messages[0]?.to, ["bob@other.example"]);
    assert.doesNotMatch(out.messages[0]?.text ?? "", /foreign\.example/i);
  });

  test("shares it with another: the relay hears for whom each copy is (RFC 3461 section 4.2)", async () => {
    const to = await box();
    const heard: unknown[] = [];
    const out = await relay({
      session: { auth: "always", authRequired: true, dsn: true },
      policy: {
        rcpt: (_, { address, parameters }) => {
          heard.push([address.text, parameters.orcpt]);
          return { kind: "accept" };
        },
      },
    });
    const client = await session(await start({ lmtpPort: to.listener.port, relayPort: out.listener.port }));
    await send(client, ["frank@semail.test", "fred@semail.test"]);
    await out.reached(1);
    assert.deepEqual(
      heard,
      ["frank", "fred"].map((name) => [
        "frank@foreign.example",
        { type: "rfc822", address: `${name}@semail.test` },
      ]),
    );
  });

  test("gets it there by the longest address, too", async () => {
    const [to, out] = [
      await box(),
      await relay({ session: { auth: "always", authRequired: true, dsn: true } }),
    ];
    const client = await session(await start({ lmtpPort: to.listener.port, relayPort: out.listener.port }));
    const lengths = [473, 474, 475, 600];
    for (const length of lengths) await send(client, [`fred+${"x".repeat(length)}@semail.test`]);
    assert.equal(to.messages.length, 2);
    await out.reached(2);
  });

  const one = "DKIM-Signature: v=1; a=rsa-sha256; d=foreign.example; s=x; h=from; bh=x; b=y\r\n";
  const HEADERS: Readonly<Record<string, string>> = {
    "a plain header": "From: bob@foreign.example\r\n",
    "a header of which we find as much as there can be": `${one.repeat(20)}From: ${Array.from(
      { length: 20 },
      (_, index) => `bob@${"b".repeat(60)}.${"c".repeat(60)}.${index}.example`,
    ).join(", ")}\r\n`,
  };
  for (const [name, header] of Object.entries(HEADERS)) {
    test(`gets the greatest message there, too, with ${name}`, async () => {
      const limits = SessionLimits.parse({ messageBytes: 65_536 });
      const offered = sessionOptions("relay", { hostname: "out.semail.test", limits });
      const [to, out] = [await box(), await relay({ session: offered })];
      const ports = { lmtpPort: to.listener.port, relayPort: out.listener.port };
      const { messageBytes } = limits;
      const client = await session(await start({ ...ports, messageBytes, deps: { query: vouching } }));
      const text = `${header}\r\n${"x".repeat(98)}\r\n`;
      const lines = `${"x".repeat(98)}\r\n`.repeat(Math.floor((messageBytes - text.length) / 100));
      const rest = `${"x".repeat(messageBytes - text.length - lines.length - 2)}\r\n`;
      assert.deepEqual(await send(client, ["fred@semail.test"], `${text}${lines}${rest}`), TAKEN);
      await out.reached(1);
      assert.deepEqual(out.messages[0]?.to, ["frank@foreign.example"]);
      assert.ok((out.messages[0]?.text.length ?? 0) > messageBytes);
      assert.deepEqual(await send(client, ["fred@semail.test"], `${text}${lines}x${rest}`), [
        "250 2.1.5",
        "552 5.3.4",
      ]);
    });
  }

  test("is sent nothing further when their own box refuses", async () => {
    const to = await box(() => ({ kind: "refuse", reply: replies.reply(552, "5.2.2", "full") }));
    const daemon = await start({ lmtpPort: to.listener.port });
    assert.deepEqual(await send(await session(daemon), ["frank@semail.test"]), ["250 2.1.5", "552 5.2.2"]);
    assert.equal((await daemon.queue.counts()).items, 0);
  });

  for (const [what, person] of Object.entries({ none: "gus", "of no possible domain": "hugo" })) {
    test(`which is ${what} gets their own copy all the same`, async () => {
      const to = await box();
      const daemon = await start({ lmtpPort: to.listener.port });
      assert.deepEqual(await send(await session(daemon), [`${person}@semail.test`]), TAKEN);
      assert.equal(to.messages.length, 1);
      assert.equal((await daemon.queue.counts()).items, 0);
    });
  }
});

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
    "but of a neighbour below one registry, however long the stranger's DNS takes": {
      author: "eve@other.org.example",
      zone: { "_dmarc.org.example": "v=DMARC1; p=none; psd=y", "evil.example": "silent" },
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
        assert.deepEqual(await send(await session(daemon), [`frank@${OURS}`], text, from), TAKEN);
        assert.equal(to.messages.length, 1);
        assert.equal((await daemon.queue.counts()).items, goes ? 1 : 0);
        assert.equal(told, goes ? 0 : 1);
      });
    }
  }
});

describe("a forward is left out, and the box has the message once,", () => {
  const PEOPLE: Readonly<Record<string, readonly [uid: string, forward?: string]>> = {
    "alice@semail.test": ["alice", "b.ob@semail.test"],
    "bob@semail.test": ["bob", "ALICE@semail.test"],
    "b.ob@semail.test": ["bob", "ALICE@semail.test"],
    "carol@semail.test": ["carol", "postmaster@semail.test"],
    "postmaster@semail.test": ["carol", "postmaster@semail.test"],
    "dave@semail.test": ["dave", "dave@foreign.example"],
    "d.smith@semail.test": ["dave", "dave@foreign.example"],
    "down@semail.test": ["down", "silent@semail.test"],
    "zoe@semail.test": ["zoe"],
  };
  const directory = {
    findRecipient: async (address: string): Promise<RecipientAnswer> => {
      if (address === "silent@semail.test") throw new DirectoryUnavailable("no answer");
      const [uid, forward] = PEOPLE[address] ?? [];
      if (uid === undefined) return { kind: "absent" };
      return { kind: "box", uid, host: "127.0.0.1", ...(forward !== undefined && { forward }) };
    },
    close: async () => {},
  };
  const been = (...fields: string[]): string => `${fields.join("\r\n")}\r\nSubject: x\r\n\r\nhi\r\n`;
  const plain = been("X: y");
  const cases: Readonly<Record<string, readonly [to: readonly string[], text: string, forwards: number]>> = {
    "not for who forwards to a colleague who does so back": [["alice"], plain, 1],
    "when it is for both who forward to each other": [["alice", "bob"], plain, 0],
    "not for one of them beside somebody else": [["alice", "dave"], plain, 2],
    "when it leads to another address of the person": [["carol"], plain, 0],
    "when it comes back from there": [["dave"], been("Delivered-To: dave@semail.test"), 0],
    "when it comes back in other letters, by a long way": [
      ["dave"],
      been("Delivered-To: x@y.example", "delivered-to:\r\n DAVE@Semail.test", "Delivered-To: <"),
      0,
    ],
    "when it comes back to another of the person's addresses": [
      ["dave"],
      been("Delivered-To: d.smith@semail.test"),
      0,
    ],
    "when it comes back to a sub-address, and was sent on from another": [
      ["d.smith+a"],
      been("Delivered-To: dave+b@semail.test"),
      0,
    ],
    "when it comes back by way of many strangers and of people who are gone": [
      ["dave"],
      been(
        ...Array.from({ length: 50 }, (_, n) => `Delivered-To: ${n}@foreign.example`),
        "Delivered-To: gone@semail.test",
        "Delivered-To: dave@semail.test",
      ),
      0,
    ],
    "when it comes back by way of nineteen others of ours": [
      ["dave"],
      been(
        ...Array.from({ length: 19 }, (_, n) => `Delivered-To: ${n}@semail.test`),
        "Delivered-To: dave@semail.test",
      ),
      0,
    ],
    "when it comes back, beside somebody who forwards nothing": [
      ["zoe", "dave"],
      been("Delivered-To: dave@semail.test"),
      0,
    ],
    "not when it was elsewhere": [
      ["dave"],
      been("Delivered-To: dave@foreign.example", "X-Delivered-To: dave@semail.test"),
      1,
    ],
    "for the one alone to whom it comes back": [["dave", "alice"], been("Delivered-To: dave@semail.test"), 1],
  };
  for (const [name, [to, text, forwards]] of Object.entries(cases)) {
    test(name, async () => {
      const inbox = await box();
      const out = await relay();
      const ports = { lmtpPort: inbox.listener.port, relayPort: out.listener.port };
      const daemon = await start({ ...ports, deps: { directory } });
      const found = await send(
        await session(daemon),
        to.map((local) => `${local}@semail.test`),
        text,
      );
      assert.equal(found.at(-1), "250 2.0.0");
      assert.equal(inbox.messages.length, to.length);
      if (forwards === 0) assert.equal((await daemon.queue.counts()).items, 0);
      else await out.reached(1);
      assert.equal(out.messages.flatMap((message) => message.to).length, forwards);
    });
  }

  test("at the cost of few questions, whatever a stranger writes", async () => {
    const asked = new Set<string>();
    const counting = {
      ...directory,
      findRecipient: (address: string): Promise<RecipientAnswer> => {
        asked.add(address);
        return directory.findRecipient(address);
      },
    };
    const inbox = await box();
    const daemon = await start({ lmtpPort: inbox.listener.port, deps: { directory: counting } });
    const before = Array.from({ length: 1_000 }, (_, n) => `Delivered-To: ${n}@semail.test`);
    const client = await session(daemon);
    assert.deepEqual(await send(client, ["dave@semail.test"], been(...before)), TAKEN);
    assert.ok(asked.size < 30, `${asked.size} addresses`);
  });

  test("never by guessing: what can't be looked up is asked for again", async () => {
    const inbox = await box();
    const daemon = await start({ lmtpPort: inbox.listener.port, deps: { directory } });
    assert.deepEqual(await send(await session(daemon), ["down@semail.test"]), ["250 2.1.5", "451 4.4.3"]);
    assert.equal(inbox.messages.length, 0);
  });
});

describe("a bounce of forwarded mail", () => {
  const srsSecret = "secret-for-tests-0123";
  const rules = { domains: ["semail.test"], secret: srsSecret };
  const path = rewrite(makeAddress("bob", "foreign.example"), rules, Date.now())?.text ?? "";
  const begin = async () => {
    const [to, out] = [await box(), await relay()];
    const ports = { lmtpPort: to.listener.port, relayPort: out.listener.port };
    return { to, out, client: await session(await start({ ...ports, settings: { srsSecret } })) };
  };

  test("goes to who sent it", async () => {
    const { to, out, client } = await begin();
    assert.deepEqual(await send(client, [path], undefined, ""), TAKEN);
    await out.reached(1);
    assert.deepEqual([out.messages[0]?.from, out.messages[0]?.to], ["", ["bob@foreign.example"]]);
    assert.equal(to.messages.length, 0);
  });

  for (const sender of ["a..b@foreign.example", ".x.@news_letter.example"]) {
    test(`goes to ${sender}, who sent it`, async () => {
      const { out, client } = await begin();
      const from = rewrite(parseEnvelopeAddress(sender) ?? null, rules, Date.now())?.text ?? "";
      assert.deepEqual(await send(client, [from], undefined, ""), TAKEN);
      await out.reached(1);
      assert.deepEqual(out.messages[0]?.to, [sender]);
    });
  }

  test("goes to a person of ours as well", async () => {
    const { to, out, client } = await begin();
    assert.deepEqual(await send(client, [path, "alice@semail.test"], undefined, ""), ["250 2.1.5", ...TAKEN]);
    await out.reached(1);
    assert.deepEqual(out.messages[0]?.to, ["bob@foreign.example"]);
    assert.equal(to.messages.length, 1);
  });

  test("is no way to send mail to strangers", async () => {
    const { client } = await begin();
    assert.deepEqual(await send(client, [path]), ["550 5.7.1"]);
    const forged = path.replace("foreign.example", "victim.example");
    assert.deepEqual(await send(client, [forged], undefined, ""), ["550 5.1.1"]);
  });

  test("is refused, whoever else it is for, where its author says to be of ours", async () => {
    const { to, out, client } = await begin();
    const text = "From: ceo@semail.test\r\n\r\nhi\r\n";
    const found = await send(client, [path, "alice@semail.test"], text, "");
    assert.deepEqual(found, ["250 2.1.5", "250 2.1.5", "550 5.7.1"]);
    assert.deepEqual([to.messages.length, out.messages.length], [0, 0]);
  });

  describe("whose author may be taken for one of ours", () => {
    const OURS = "mail.org.example";
    const back =
      rewrite(makeAddress("bob", "foreign.example"), { domains: [OURS], secret: srsSecret }, Date.now())
        ?.text ?? "";
    const policies = {
      "_dmarc.org.example": "v=DMARC1; p=quarantine",
      "_dmarc.mail.org.example": "v=DMARC1; p=none",
    };
    type Row = readonly [helo: string, author: string, spf: string, answers: readonly string[]];
    const cases: Readonly<Record<string, Row>> = {
      "goes where its HELO name proves it": [
        "mx.mail.org.example",
        "x@mail.org.example",
        "v=spf1 ip4:127.0.0.1 -all",
        TAKEN,
      ],
      "waits where DNS does not say whether it does": [
        "mx.mail.org.example",
        "x@mail.org.example",
        "ESERVFAIL",
        ["250 2.1.5", "451 4.4.3"],
      ],
      "is refused where it is a stranger's": [
        "evil.example",
        "ceo@org.example",
        "v=spf1 -all",
        ["250 2.1.5", "550 5.7.1"],
      ],
      "does not go where the stranger's DNS says nothing": [
        "evil.example",
        "ceo@org.example",
        "silent",
        ["250 2.1.5", "451 4.4.3"],
      ],
    };
    for (const [name, [helo, author, spf, answers]] of Object.entries(cases)) {
      test(name, async () => {
        const [to, out] = [await box(), await relay()];
        const daemon = await start({
          ...{ lmtpPort: to.listener.port, relayPort: out.listener.port },
          settings: { srsSecret, domains: [OURS], senders: IMPATIENT },
          deps: { query: zoneQuery({ ...policies, [helo]: spf }) },
        });
        const client = await session(daemon);
        await client.say(`EHLO ${helo}`);
        const text = `From: ${author}\r\nSubject: failed\r\n\r\nhi\r\n`;
        assert.deepEqual(await send(client, [back], text, ""), answers);
      });
    }
  });

  test("is to nobody here when reverse-paths are not rewritten", async () => {
    const client = await session(await start({ lmtpPort: (await box()).listener.port }));
    assert.deepEqual(await send(client, [path], undefined, ""), ["550 5.1.1"]);
  });
});
