import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import * as replies from "../../../mailserver/smtp/replies.ts";
import type { Decision } from "../../../mailserver/smtp/types.ts";
import { zoneQuery } from "../../support/zone.ts";
import { box, ownIdentity, send, session, start } from "./support.ts";

describe("recipients", () => {
  const cases: Readonly<Record<string, readonly [string, string]>> = {
    "a person": ["alice@semail.test", "250 2.1.5"],
    "in any case": ["ALICE@Semail.TEST", "250 2.1.5"],
    "with a detail": ["alice+lists@semail.test", "250 2.1.5"],
    "with a detail that is an address of its own": ["alice+exact@semail.test", "250 2.1.5"],
    "with an at-sign in quotes": ['"a@b"@semail.test', "250 2.1.5"],
    "a bare postmaster": ["postmaster", "250 2.1.5"],
    "as long as ORCPT has it": [`alice+${"x".repeat(473)}@semail.test`, "250 2.1.5"],
    "longer than that": [`alice+${"x".repeat(474)}@semail.test`, "553 5.1.3"],
    "longer than that, and absent": [`nobody+${"x".repeat(473)}@semail.test`, "553 5.1.3"],
    "longer than that once it is escaped": [`alice+${"=".repeat(158)}@semail.test`, "553 5.1.3"],
    "as long as that": [`alice+${"=".repeat(157)}@semail.test`, "250 2.1.5"],
    "absent is permanent": ["nobody@semail.test", "550 5.1.1"],
    "absent in our second domain": ["alice@second.test", "550 5.1.1"],
    "absent with a detail": ["nobody+x@semail.test", "550 5.1.1"],
    "a detail alone": ["+x@semail.test", "550 5.1.1"],
    "unavailable is temporary": ["down@semail.test", "451 4.4.3"],
    "unavailable behind a detail is temporary": ["down+x@semail.test", "451 4.4.3"],
    "a postmaster nobody set up is temporary": ["postmaster@second.test", "451 4.3.5"],
    "an abuse desk nobody set up is temporary": ["Abuse@semail.test", "451 4.3.5"],
    "dots that nobody's name has": [".al..ice.@semail.test", "550 5.1.1"],
    "a dot before a name": [".alice@semail.test", "550 5.1.1"],
    "a dot behind a name": ["alice.@semail.test", "550 5.1.1"],
    "a dot between a name and a detail": ["alice.+lists@semail.test", "550 5.1.1"],
    "dots in a detail": ["alice+..lists.@semail.test", "250 2.1.5"],
    "an underscore in front of our domain": ["alice@_.semail.test", "550 5.7.1"],
    "another domain": ["alice@foreign.example", "550 5.7.1"],
    "a subdomain of ours": ["alice@sub.semail.test", "550 5.7.1"],
    "an address literal": ["alice@[127.0.0.1]", "550 5.7.1"],
    "a percent hack": ["alice%foreign.example@semail.test", "550 5.1.1"],
  };
  test("are answered by what the directory knows", async () => {
    const daemon = await start({ lmtpPort: 1 });
    const client = await session(daemon);
    for (const [name, [address, want]] of Object.entries(cases)) {
      await client.say("RSET");
      await client.say("MAIL FROM:<bob@foreign.example>");
      assert.equal(await client.say(`RCPT TO:<${address}>`), want, name);
    }
  });
});

describe("a message", () => {
  test("reaches the box with its trace field, and only then is answered 250", async () => {
    const gate = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    const to = await box(async () => {
      asked.resolve();
      await gate.promise;
      return { kind: "accept" };
    });
    const client = await session(await start({ lmtpPort: to.listener.port }));
    const result = send(client, ["Alice+x@semail.test"], "Subject: x\r\n\r\n..dot\r\n\xe4\r\n");
    await asked.promise;
    const early = await Promise.race([result, new Promise((resolve) => setTimeout(resolve, 50, "waits"))]);
    assert.equal(early, "waits");
    gate.resolve();
    assert.deepEqual(await result, ["250 2.1.5", "250 2.0.0"]);
    const [message] = to.messages;
    assert.equal(message?.from, "bob@foreign.example");
    assert.deepEqual(message?.to, ["Alice+x@semail.test"]);
    const [trace = "", rest] = message?.text.split("Subject: x") ?? [];
    assert.match(
      trace,
      /^Received: from client\.example \(\[127\.0\.0\.1\]\)\r\n\tby mx\.semail\.test with ESMTP id [0-9a-f-]+\.1\r\n\tfor <Alice\+x@semail\.test>;\r\n\t\w{3}, \d\d \w{3} \d{4} [\d:]{8} \+0000\r\n$/,
    );
    assert.equal(rest, "\r\n\r\n.dot\r\n\xe4\r\n");
  });

  test("from an address in UTF-8 goes on to the box as such, and is refused without the extension", async () => {
    const to = await box();
    const client = await session(await start({ lmtpPort: to.listener.port }));
    // The client writes each character as a byte.
    const say = (line: string) => client.say(Buffer.from(line).toString("latin1"));
    const from = "j\u00fcrgen@ex\u00e4mple.test";
    assert.equal(await say(`MAIL FROM:<${from}>`), "553 5.6.7");
    assert.equal(await say(`MAIL FROM:<${from}> BODY=8BITMIME SMTPUTF8`), "250 2.1.0");
    assert.equal(await say("RCPT TO:<alice@semail.test>"), "250 2.1.5");
    assert.equal(await say("DATA"), "354");
    assert.equal(await say("Subject: Gr\u00fc\u00dfe\r\n\r\nx\r\n."), "250 2.0.0");
    const [message] = to.messages;
    assert.equal(message?.from, from);
    assert.match(message?.text ?? "", /with UTF8SMTP id /);
  });

  for (const from of [
    "a..b@docomo.example",
    "user.@docomo.example",
    ".u@docomo.example",
    "x@_odd.news_letter.example",
  ]) {
    test(`from ${from} reaches the box from there, and names it in its trace fields`, async () => {
      const to = await box();
      const query = zoneQuery({ "docomo.example": "v=spf1 ip4:127.0.0.1 -all" });
      const client = await session(await start({ lmtpPort: to.listener.port, deps: { query } }));
      const text = `From: ${from}\r\nSubject: x\r\n\r\nhi\r\n`;
      assert.deepEqual(await send(client, ["alice+..x@semail.test"], text, from), ["250 2.1.5", "250 2.0.0"]);
      const [message] = to.messages;
      assert.deepEqual([message?.from, message?.to], [from, ["alice+..x@semail.test"]]);
      assert.match(message?.text ?? "", /^\tfor <alice\+\.\.x@semail\.test>;/m);
      assert.ok(message?.text.includes(`envelope-from="${from}"`), message?.text);
      // One author, whom everybody reads alike: the odd name makes nothing unclear.
      assert.match(message?.text ?? "", /dmarc=none|dmarc=pass/);
      assert.doesNotMatch(message?.text ?? "", /X-Semail-Junk/);
    });
  }

  test("over TLS says so in its trace field", async () => {
    const to = await box();
    const client = await session(await start({ lmtpPort: to.listener.port }));
    await client.say("STARTTLS");
    await client.secure({ ca: (await ownIdentity()).ca });
    await client.say("EHLO client.example");
    await send(client, ["alice@semail.test"]);
    assert.match(to.messages[0]?.text ?? "", /with ESMTPS id .*\r\n\t\(TLSv1\.3, TLS_/);
  });

  test("gets no line from us that is longer than others take, whoever names themselves how", async () => {
    const to = await box();
    const query = zoneQuery({ "foreign.example": "v=spf1 ip4:127.0.0.1 -all" });
    const client = await session(await start({ lmtpPort: to.listener.port, deps: { query } }));
    assert.equal(await client.say(`EHLO ${"h".repeat(255)}`), "250");
    const taken: number[] = [];
    for (const length of [0, 400, 473, 474, 900, 1_100]) {
      for (const sender of ["bob", "b".repeat(900)]) {
        const found = await send(
          client,
          [`alice+${"x".repeat(length)}@semail.test`],
          undefined,
          `${sender}@foreign.example`,
        );
        if (found[1] === "250 2.0.0") taken.push(length);
      }
    }
    assert.deepEqual(taken, [0, 0, 400, 400, 473, 473]);
    const lines = to.messages.flatMap(({ text }) => text.split("\r\n"));
    // RFC 5322 section 2.1.1
    assert.deepEqual(
      lines.filter((line) => Buffer.byteLength(line) > 998),
      [],
    );
  });

  test("that has passed too many hosts is refused", async () => {
    const to = await box();
    const client = await session(await start({ lmtpPort: to.listener.port }));
    const looped = (count: number): string =>
      `${"Received: from x\r\n\tby y\r\n".repeat(count)}Subject: x\r\n\r\nReceived: no\r\n`;
    assert.deepEqual(await send(client, ["alice@semail.test"], looped(50)), ["250 2.1.5", "554 5.4.6"]);
    assert.deepEqual(await send(client, ["alice@semail.test"], looped(49)), ["250 2.1.5", "250 2.0.0"]);
  });

  const refusals: Readonly<Record<string, readonly [Decision, string]>> = {
    "a full box is temporary": [{ kind: "refuse", reply: replies.reply(452, "4.2.2", "full") }, "452 4.2.2"],
    "a refusal of the box is handed on": [
      { kind: "refuse", reply: replies.reply(554, "5.6.0", "no") },
      "554 5.6.0",
    ],
  };
  for (const [name, [decision, want]] of Object.entries(refusals)) {
    test(name, async () => {
      const to = await box(() => decision);
      const client = await session(await start({ lmtpPort: to.listener.port }));
      assert.deepEqual(await send(client, ["alice@semail.test"]), ["250 2.1.5", want]);
      assert.equal(await client.say("NOOP"), "250 2.0.0");
    });
  }

  test("goes into one box one at a time, however many come at once", async () => {
    const to = await box(async () => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      return { kind: "accept" };
    });
    const daemon = await start({ lmtpPort: to.listener.port });
    const clients = await Promise.all(Array.from({ length: 8 }, () => session(daemon)));
    const found = await Promise.all(clients.map((client) => send(client, ["alice@semail.test"])));
    assert.deepEqual(
      found,
      clients.map(() => ["250 2.1.5", "250 2.0.0"]),
    );
    assert.equal(to.messages.length, 8);
    assert.equal(to.atOnce(), 1);
  });

  test("of two addresses of one person reaches them once", async () => {
    const to = await box();
    const client = await session(await start({ lmtpPort: to.listener.port }));
    await send(client, ["postmaster@semail.test", "alice@semail.test"]);
    assert.deepEqual(
      to.messages.map((message) => message.to),
      [["postmaster@semail.test"]],
    );
    assert.doesNotMatch(to.messages[0]?.text ?? "", /for </);
  });

  test("is refused for now when memory for messages is short, which is given back", async () => {
    const to = await box();
    const daemon = await start({ lmtpPort: to.listener.port, messageBytes: 65_536 });
    const half = "x".repeat(998).concat("\r\n").repeat(60);
    const holders = await Promise.all(Array.from({ length: 3 }, () => session(daemon)));
    for (const holder of holders) {
      await holder.say("MAIL FROM:<>");
      await holder.say("RCPT TO:<carol@semail.test>");
      await holder.say("DATA");
      holder.write(half);
    }
    const client = await session(daemon);
    let found: string[] = [];
    while (found[1] !== "452 4.3.1") found = await send(client, ["alice@semail.test"], half);
    for (const holder of holders) {
      const closed = once(holder.socket, "close");
      holder.close();
      await closed;
    }
    while (found[1] !== "250 2.0.0") found = await send(client, ["alice@semail.test"], half);
  });
});
