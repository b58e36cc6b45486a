/** Where mail for people who forward it goes: into each box once, and abroad with word of where it came from (RFC 9228). */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SessionLimits } from "../../../mailserver/contract.ts";
import type { SmtpCourier } from "../../../mailserver/courier/smtp.ts";
import { forAll } from "../../../mailserver/courier/types.ts";
import { DirectoryUnavailable, type RecipientAnswer } from "../../../mailserver/policy/recipient.ts";
import type { Group } from "../../../mailserver/queue/backlog.ts";
import { Backlog } from "../../../mailserver/queue/backlog.ts";
import { toDelivery } from "../../../mailserver/queue/delivery.ts";
import type { NewRecipient } from "../../../mailserver/queue/item.ts";
import { accepted } from "../../../mailserver/smtp/replies.ts";
import { createDeliver } from "../../../mailserver/smtp-out/deliver.ts";
import { sessionOptions } from "../../../mailserver/smtp-out/session-options.ts";
import { Conversation } from "../../support/conversation.ts";
import { directory, outboundHandler, RELAY } from "../../support/handlers.ts";

const FORWARDS: Readonly<Record<string, string>> = {
  alice: "b.ob@semail.test",
  bob: "alice@semail.test",
  carol: "dave@semail.test",
  dave: "dave@elsewhere.test",
  gina: "down@semail.test",
};
const NAMES: Readonly<Record<string, string>> = { "b.ob": "bob", "z.oe": "zoe" };
const own = {
  ...directory,
  findRecipient: async (address: string): Promise<RecipientAnswer> => {
    const local = address.slice(0, address.indexOf("@"));
    if (local.includes("+")) return { kind: "absent" };
    if (local === "down") throw new DirectoryUnavailable("down");
    const uid = NAMES[local] ?? local;
    const forward = FORWARDS[uid];
    return { kind: "box", uid, host: `box-${uid}`, ...(forward !== undefined && { forward }) };
  },
};

async function open(listener: "relay" | "submissions", stored: string[]): Promise<Conversation> {
  const client = await Conversation.open({
    session: sessionOptions(listener, { hostname: "mx.semail.test", limits: SessionLimits.parse({}) }),
    handler: outboundHandler(listener === "relay" ? "relay" : "submission", stored, { directory: own }),
    ...{ clientAddress: "192.0.2.7", tls: listener !== "relay" },
  });
  await client.say("EHLO client.test");
  if (listener === "relay") await client.auth(RELAY.user, RELAY.password);
  else await client.auth("alice", "alice-secret");
  await client.say("MAIL FROM:<alice@semail.test>");
  return client;
}

async function sent(listener: "relay" | "submissions", to: readonly string[]): Promise<string[]> {
  const stored: string[] = [];
  const client = await open(listener, stored);
  for (const one of to) assert.match(await client.say(`RCPT TO:${one}`), /^250/);
  await client.say("DATA");
  assert.match(await client.say("From: alice@semail.test\r\n\r\nhi\r\n."), /^250/);
  return stored;
}

describe("mail goes to each mailbox once:", () => {
  const box = (local: string): string => `local:${local}@semail.test`;
  const people: Readonly<Record<string, readonly [to: readonly string[], goes: readonly string[]]>> = {
    "of who forwards to a colleague, and the colleague's": [
      ["<alice@semail.test>"],
      [box("alice"), box("b.ob")],
    ],
    "where it is for both who forward to each other": [
      ["<alice@semail.test>", "<bob@semail.test>"],
      [box("alice"), box("b.ob")],
    ],
    "on to somebody, for whomever the sender says that it was": [
      ["<bob@semail.test> ORCPT=rfc822;alice@semail.test"],
      [box("bob"), box("alice")],
    ],
    "where one who forwards nothing is named twice": [
      ["<zoe@semail.test>", "<z.oe@semail.test>"],
      [box("zoe")],
    ],
    "of strangers, whose letters mean what their hosts say (RFC 5321 section 2.4)": [
      ["<eve@evil.test>", "<Eve@evil.test>"],
      ["mx:evil.test", "mx:evil.test"],
    ],
    "where one person is named twice": [
      ["<bob@semail.test>", "<b.ob@semail.test>"],
      [box("bob"), box("alice")],
    ],
  };
  for (const [name, [to, goes]] of Object.entries(people))
    test(name, async () => assert.deepEqual(await sent("submissions", to), goes));

  const forwarded: Readonly<Record<string, readonly [to: readonly string[], goes: readonly string[]]>> = {
    "not back to whom it is forwarded for": [
      ["<b.ob@semail.test> ORCPT=rfc822;alice@semail.test"],
      [box("b.ob")],
    ],
    "nor to another for whom it is forwarded": [
      [
        "<b.ob@semail.test> ORCPT=rfc822;x@semail.test",
        "<eve@evil.test> ORCPT=rfc822;alice+2Btag@semail.test",
      ],
      [box("b.ob"), "mx:evil.test"],
    ],
    "but on to somebody else": [
      ["<dave@semail.test> ORCPT=rfc822;carol@semail.test"],
      [box("dave"), "mx:elsewhere.test"],
    ],
    "and to the place itself, whose ever it has become": [
      ["<b.ob@semail.test> ORCPT=rfc822;bob@semail.test"],
      [box("b.ob"), box("alice")],
    ],
  };
  for (const [name, [to, goes]] of Object.entries(forwarded))
    test(`what smtp-in sends on goes ${name}`, async () => assert.deepEqual(await sent("relay", to), goes));
});

for (const [what, listener, to] of [
  ["to whom it is forwarded", "submissions", "<gina@semail.test>"],
  ["for whom it is forwarded", "relay", "<bob@semail.test> ORCPT=rfc822;down@semail.test"],
] as const) {
  test(`who it is, ${what}, is never guessed: what can't be looked up is asked for again`, async () => {
    const client = await open(listener, []);
    assert.match(await client.say(`RCPT TO:${to}`), /^451 4\.4\.3/);
  });
}

describe("what is sent on abroad says from where, and to nobody who else had it:", () => {
  const to = (address: string, ...originals: string[]): NewRecipient => ({
    ...{ address, destination: `mx:${address.slice(address.indexOf("@") + 1)}` },
    ...(originals.length > 0 && { originals }),
  });
  const [A, C, X, Y] = ["a@semail.test", "c@semail.test", "x@one.test", "y@one.test"] as const;
  const says = (...names: string[]): string => names.map((name) => `Delivered-To: ${name}\r\n`).join("");
  const cases: Readonly<Record<string, readonly [NewRecipient[], Readonly<Record<string, string>>]>> = {
    "what is not": [[to(X), to(Y)], { [`${X} ${Y}`]: "" }],
    "a copy": [[to(X, A)], { [X]: says(A) }],
    "a copy for somebody of that domain": [[to(X, Y)], { [X]: says(Y) }],
    "copies for two": [[to(X, A), to(Y, C)], { [X]: says(A), [Y]: says(C) }],
    "two copies for one": [[to(X, A), to(Y, A)], { [`${X} ${Y}`]: says(A) }],
    "one copy for two": [[to(X, A, C)], { [X]: says(A, C) }],
    "a copy for who was written to as well": [[to(X, X, A), to(Y)], { [X]: says(A), [Y]: "" }],
    "a copy for an address that needs SMTPUTF8": [[to(X, "ü@semail.test")], { [X]: "" }],
    "a copy for what is no address": [[to(X, "a@b\r\nBcc: c")], { [X]: "" }],
  };
  const body = Buffer.from("Subject: x\r\n\r\nhi\r\n");
  for (const [name, [recipients, want]] of Object.entries(cases)) {
    test(name, async () => {
      const went: Record<string, string> = {};
      const smtp: SmtpCourier = async (_, delivery) => {
        const key = delivery.recipients.map(({ text }) => text).join(" ");
        went[key] = Buffer.from(delivery.body).toString().replace(body.toString(), "");
        return forAll(delivery.recipients, { kind: "delivered", reply: accepted });
      };
      const deps = { directory: own, rules: { domains: ["semail.test"] }, smtp, reports: smtp };
      const deliver = createDeliver({
        ...deps,
        box: Object.assign(async () => [], { restsUntil: () => 0, healthy: () => undefined }),
      });
      const backlog = new Backlog({ atOnce: 9, now: () => 0 });
      const envelope = { from: "eve@evil.test", eightBit: false, smtputf8: false };
      const due = recipients.map((recipient, seq) => ({ ...recipient, seq, attempts: 0 }));
      backlog.add({ id: "item", created: 0, size: body.length, envelope, recipients: due });
      const { signal } = new AbortController();
      for (let group: Group | undefined = backlog.take(); group !== undefined; group = backlog.take()) {
        const results = await deliver(group.destination, toDelivery({ ...group, body }), signal, signal);
        assert.equal(results.length, group.recipients.length);
        backlog.finished(group, true);
      }
      assert.deepEqual(went, want);
    });
  }
});

test("what smtp-in sends on for several people goes to smtp-out as one message, which knows for whom", () => {
  const backlog = new Backlog({ atOnce: 9, now: () => 0 });
  const due = ["a@semail.test", "c@semail.test"].map((original, seq) => ({
    ...{ address: "x@one.test", destination: "relay:forward", originals: [original], seq, attempts: 0 },
  }));
  const envelope = { from: "eve@evil.test", eightBit: false, smtputf8: false };
  backlog.add({ id: "item", created: 0, size: 1, envelope, recipients: due });
  assert.equal(backlog.take()?.recipients.length, 2);
});
