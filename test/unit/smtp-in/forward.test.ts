/** What a person with a forward address gets, and where. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SessionLimits } from "../../../mailserver/contract.ts";
import * as replies from "../../../mailserver/smtp/replies.ts";
import type { Decision, Reply } from "../../../mailserver/smtp/types.ts";
import { sessionOptions } from "../../../mailserver/smtp-out/session-options.ts";
import { zoneQuery } from "../../support/zone.ts";
import { ACCEPTED, box, relay, send, session, start, vouching } from "./support.ts";

const refused = (reply: Reply): Decision => ({ kind: "refuse", reply });

describe("a person with a forward address", () => {
  test("gets the message in both places", async () => {
    const [to, out] = [await box(), await relay()];
    const client = await session(await start({ lmtpPort: to.listener.port, relayPort: out.listener.port }));
    assert.deepEqual(await send(client, ["frank@semail.test"]), ACCEPTED);
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
    assert.deepEqual(await send(await session(daemon), ["frank@semail.test"], text), ACCEPTED);
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
      assert.deepEqual(await send(await session(daemon), ["frank@semail.test"]), ACCEPTED);
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
    assert.deepEqual(await send(client, ["frank@semail.test"]), ACCEPTED);
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
    assert.deepEqual(
      await send(client, ["frank@semail.test"], undefined, "b..ob.@foreign.example"),
      ACCEPTED,
    );
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
      assert.deepEqual(await send(client, ["fred@semail.test"], `${text}${lines}${rest}`), ACCEPTED);
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
      assert.deepEqual(await send(await session(daemon), [`${person}@semail.test`]), ACCEPTED);
      assert.equal(to.messages.length, 1);
      assert.equal((await daemon.queue.counts()).items, 0);
    });
  }
});
