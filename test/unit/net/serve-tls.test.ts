import assert from "node:assert/strict";
import { once } from "node:events";
import type { Socket } from "node:net";
import { before, describe, test } from "node:test";
import { connect as connectTls } from "node:tls";
import nodemailer from "nodemailer";
import { silentLog } from "../../../mailserver/net/log.ts";
import { type Identity, makeIdentity } from "../../support/identity.ts";
import { client, inbox } from "./support.ts";

let identity: Identity;
before(async () => {
  identity = await makeIdentity("mx.semail.test");
});

describe("a listener", () => {
  test("takes a message of nodemailer, a foreign client, over STARTTLS", async () => {
    const to = await inbox({ tls: identity });
    const transport = nodemailer.createTransport({
      host: "127.0.0.1",
      port: to.listener.port,
      name: "client.example",
      requireTLS: true,
      tls: { ca: identity.ca, servername: "mx.semail.test" },
    });
    const big = "x".repeat(200_000).replace(/.{70}/g, "$&\n.");
    await transport.sendMail({
      from: "bob@foreign.example",
      to: "alice@semail.test",
      subject: "hi",
      text: big,
      textEncoding: "quoted-printable",
    });
    transport.close();
    assert.equal(to.messages.length, 1);
    const [message] = to.messages;
    assert.equal(message?.session.protocol, "ESMTPS");
    assert.equal(message?.session.helo, "client.example");
    assert.equal(message?.session.clientAddress, "127.0.0.1");
    assert.match(message?.text ?? "", /Subject: hi/);
    assert.equal((message?.text.match(/^\.x/gm) ?? []).length, (big.match(/^\.x/gm) ?? []).length);
  });

  test("takes AUTH and mail over implicit TLS", async () => {
    const to = await inbox({
      tls: { ...identity, implicit: true },
      session: { auth: "tls", authRequired: true },
      policy: {
        auth: ({ user, password }) => {
          assert.deepEqual([user, password], ["alice", "secret"]);
          return { kind: "authenticated", user };
        },
      },
    });
    const transport = nodemailer.createTransport({
      host: "127.0.0.1",
      port: to.listener.port,
      secure: true,
      auth: { user: "alice", pass: "secret" },
      tls: { ca: identity.ca, servername: "mx.semail.test" },
    });
    await transport.sendMail({ from: "alice@semail.test", to: "bob@foreign.example", text: "hi" });
    transport.close();
    assert.equal(to.messages[0]?.session.protocol, "ESMTPSA");
    assert.equal(to.messages[0]?.session.user, "alice");
  });

  test("answers a client that closes its side right after its last command, both in one read", async () => {
    const to = await inbox({ tls: identity });
    const raw = await client(to);
    await raw.reply();
    await raw.say("EHLO c");
    await raw.say("STARTTLS");
    const secured = await raw.secure({ ca: identity.ca });
    await raw.say("EHLO c");
    secured.allowHalfOpen = true;
    secured.write("NOOP\r\n");
    secured.end();
    assert.deepEqual([await raw.reply(), await raw.reply()], ["250 2.0.0", "closed"]);
  });

  test("drops commands that arrive ahead of the hand-shake, in the same packet", async () => {
    const to = await inbox({ tls: identity });
    const raw = await client(to);
    await raw.reply();
    await raw.say("EHLO evil");
    raw.write("STARTTLS\r\nEHLO evil\r\nMAIL FROM:<eve@foreign.example>\r\n");
    assert.equal(await raw.reply(), "220 2.0.0");
    await raw.secure({ ca: identity.ca });
    assert.equal(await raw.say("MAIL FROM:<>"), "503 5.5.1");
    assert.equal(await raw.say("EHLO c"), "250");
    assert.equal(await raw.say("MAIL FROM:<>"), "250 2.1.0");
  });

  test("serves its certificate for a server name it does not know, and no ticket before TLS 1.3", async () => {
    const to = await inbox({ tls: identity });
    const raw = await client(to);
    await raw.reply();
    await raw.say("EHLO c");
    assert.equal(await raw.say("STARTTLS"), "220 2.0.0");
    const secured = await raw.secure({
      ca: identity.ca,
      servername: "elsewhere.example",
      maxVersion: "TLSv1.2",
    });
    assert.match(secured.getPeerCertificate().subject.CN as string, /mx\.semail\.test/);
    assert.equal(await raw.say("NOOP"), "250 2.0.0");
    assert.equal(secured.getTLSTicket(), undefined);
  });

  test("refuses TLS below 1.2", async () => {
    const to = await inbox({ tls: identity });
    const raw = await client(to);
    await raw.reply();
    await raw.say("STARTTLS");
    const old = {
      ca: identity.ca,
      maxVersion: "TLSv1.1",
      minVersion: "TLSv1",
      ciphers: "ALL:@SECLEVEL=0",
    } as const;
    await assert.rejects(raw.secure(old), /alert protocol version|unsupported protocol/);
  });

  test("survives clear text and a disconnect where a hand-shake should be", async () => {
    const to = await inbox({ tls: identity });
    for (const instead of ["NOOP\r\nNOOP\r\n", ""]) {
      const raw = await client(to);
      await raw.reply();
      await raw.say("STARTTLS");
      const closed = once(raw.socket, "close");
      raw.socket.removeAllListeners("data").resume();
      if (instead === "") raw.close();
      else raw.write(instead);
      await closed;
    }
    const raw = await client(to);
    assert.equal(await raw.reply(), "220");
  });

  const cuts: Readonly<Record<string, (raw: Socket) => void>> = {
    "before a byte of it": (raw) => void raw.end(),
    "within its first record": (raw) => void raw.end(Buffer.from("160301", "hex")),
    "after the client's side of TLS 1.3": (raw) => {
      const options = { socket: raw, rejectUnauthorized: false, minVersion: "TLSv1.3" } as const;
      connectTls(options, () => raw.end()).on("error", () => {});
    },
  };
  for (const [stage, cut] of Object.entries(cuts)) {
    test(`lets go at once of a client that leaves in the hand-shake, ${stage}`, {
      timeout: 20_000,
    }, async () => {
      const left = Promise.withResolvers<void>();
      const info = (event: string) => void (event === "smtp.session.close" && left.resolve());
      const to = await inbox({ tls: identity, log: { ...silentLog, info }, limits: { idleMs: 60_000 } });
      const raw = await client(to);
      await raw.reply();
      await raw.say("STARTTLS");
      raw.socket.removeAllListeners("data").resume();
      cut(raw.socket);
      await left.promise;
    });
  }
});
