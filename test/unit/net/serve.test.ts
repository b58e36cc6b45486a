import assert from "node:assert/strict";
import { once } from "node:events";
import type { Socket } from "node:net";
import { after, before, describe, test } from "node:test";
import { connect as connectTls } from "node:tls";
import nodemailer from "nodemailer";
import { silentLog } from "../../../mailserver/net/log.ts";
import { accepted } from "../../../mailserver/smtp/replies.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { type Identity, makeIdentity } from "../../support/identity.ts";
import { type Inbox, listenForMail } from "../../support/mail-listener.ts";
import { RawClient } from "../../support/raw-client.ts";

const open: { close(): unknown }[] = [];
const keep = <T extends { close(): unknown }>(thing: T): T => {
  open.push(thing);
  return thing;
};
const inbox = async (options: Parameters<typeof listenForMail>[0] = {}): Promise<Inbox> => {
  const made = await listenForMail(options);
  keep(made.listener);
  return made;
};
const client = async (to: Inbox): Promise<RawClient> => keep(await RawClient.open(to.listener.port));

let identity: Identity;
before(async () => {
  identity = await makeIdentity("mx.semail.test");
});
after(() => Promise.all(open.map((thing) => thing.close())));

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

  test("answers a client that closes its sending side right after its last command", async () => {
    const to = await inbox();
    const raw = await client(to);
    raw.socket.allowHalfOpen = true;
    raw.write("EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nDATA\r\nhi\r\n.\r\nQUIT\r\n");
    raw.socket.end();
    const seen = [];
    for (let i = 0; i < 7; i += 1) seen.push(await raw.reply());
    assert.deepEqual(seen, ["220", "250", "250 2.1.0", "250 2.1.5", "354", "250 2.0.0", "221 2.0.0"]);
  });

  test("drops the transaction of a client that disappears", async () => {
    const dropped = Promise.withResolvers<number>();
    const to = await inbox({ policy: { dropped: ({ number }) => dropped.resolve(number) } });
    const raw = await client(to);
    await raw.reply();
    await raw.say("EHLO c");
    await raw.say("MAIL FROM:<>");
    raw.close();
    assert.equal(await dropped.promise, 1);
  });

  test("answers 421 to a silent client and closes", async () => {
    const to = await inbox({ limits: { idleMs: 100 } });
    const raw = await client(to);
    assert.equal(await raw.reply(), "220");
    assert.equal(await raw.reply(), "421 4.4.2");
    assert.equal(await raw.reply(), "closed");
  });

  test("answers 421 to a session that lasts too long although it talks", async () => {
    const clock = new FakeClock(0);
    const to = await inbox({ limits: { idleMs: 1_000, sessionMs: 1_500 }, timing: clock });
    const raw = await client(to);
    assert.equal(await raw.reply(), "220");
    for (let talks = 0; talks < 2; talks += 1) {
      assert.equal(await raw.say("NOOP"), "250 2.0.0");
      clock.pass(700);
    }
    assert.equal(await raw.say("NOOP"), "250 2.0.0");
    // The session's own time is over before the silence is.
    assert.equal(await clock.jump(), 1_500);
    assert.equal(await raw.reply(), "421 4.4.2");
  });

  test("tells the policy of a client that disappears while the policy thinks", async () => {
    const dropped = Promise.withResolvers<number>();
    const asked = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<void>();
    const to = await inbox({
      log: { ...silentLog, info: (event) => event === "smtp.session.close" && closed.resolve() },
      policy: {
        rcpt: async () => {
          asked.resolve();
          await closed.promise;
          return { kind: "accept" };
        },
        dropped: ({ number }) => dropped.resolve(number),
      },
    });
    const raw = await client(to);
    raw.write("EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\n");
    await asked.promise;
    raw.socket.resetAndDestroy();
    assert.equal(await dropped.promise, 1);
  });

  test("answers 421 to one client above its share, whatever room there is", async () => {
    const to = await inbox({ limits: { connections: 10, connectionsPerClient: 2 } });
    const [first, second, third] = [await client(to), await client(to), await client(to)];
    assert.deepEqual(
      [await first.reply(), await second.reply(), await third.reply()],
      ["220", "220", "421 4.7.0"],
    );
    await first.say("QUIT");
    await once(first.socket, "close");
    // The server learns of the goodbye a moment after the client.
    let greeting = "421 4.7.0";
    while (greeting === "421 4.7.0") greeting = await (await client(to)).reply();
    assert.equal(greeting, "220");
  });

  test("answers 421 above its number of connections, and serves again when one has left", async () => {
    const to = await inbox({ limits: { connections: 1 } });
    const first = await client(to);
    assert.equal(await first.reply(), "220");
    const second = await client(to);
    assert.equal(await second.reply(), "421 4.7.0");
    await first.say("QUIT");
    await once(first.socket, "close");
    // The server learns of the goodbye a moment after the client.
    let greeting = "421 4.7.0";
    while (greeting === "421 4.7.0") greeting = await (await client(to)).reply();
    assert.equal(greeting, "220");
  });

  test("answers 451 when its policy fails, and goes on", async () => {
    let failing = true;
    const to = await inbox({
      policy: {
        rcpt: () => {
          if (failing) throw new Error("a fault with a secret in it");
          return { kind: "accept" };
        },
      },
    });
    const raw = await client(to);
    await raw.reply();
    await raw.say("EHLO c");
    await raw.say("MAIL FROM:<>");
    assert.equal(await raw.say("RCPT TO:<a@b.example>"), "451 4.3.0");
    failing = false;
    assert.equal(await raw.say("RCPT TO:<a@b.example>"), "250 2.1.5");
  });

  test("holds a fast sender back while its policy is slow", async () => {
    const gate = Promise.withResolvers<void>();
    let bytes = 0;
    const to = await inbox({
      session: { limits: { messageBytes: 50_000_000, recipients: 100, errors: 20 } },
      policy: {
        chunk: (_, chunk) => {
          bytes += chunk.length;
          return gate.promise;
        },
      },
    });
    const raw = await client(to);
    await raw.reply();
    await raw.say("EHLO c");
    await raw.say("MAIL FROM:<>");
    await raw.say("RCPT TO:<a@b.example>");
    assert.equal(await raw.say("DATA"), "354");
    const line = `${"x".repeat(998)}\r\n`;
    raw.write(line.repeat(20_000));
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.ok(bytes <= 70_000, `${bytes} bytes were read ahead`);
    assert.ok(raw.socket.writableLength > 1_000_000, "the sender was not held back");
    gate.resolve();
    raw.write(".\r\n");
    assert.equal(await raw.reply(), "250 2.0.0");
    assert.equal(bytes, 20_000_000);
  });
});

describe("closing a listener", () => {
  test("refuses new connections, lets the running message finish, answers it, then says 421", async () => {
    const answer = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    const to = await listenForMail({
      graceMs: 5_000,
      policy: {
        message: async () => {
          asked.resolve();
          await answer.promise;
          return { kind: "accept", reply: accepted };
        },
      },
    });
    const raw = await client(to);
    const idle = await client(to);
    assert.equal(await idle.reply(), "220");
    await raw.reply();
    await raw.say("EHLO c");
    await raw.say("MAIL FROM:<>");
    await raw.say("RCPT TO:<a@b.example>");
    await raw.say("DATA");
    raw.write("hi\r\n.\r\n");
    await asked.promise;
    const closing = to.listener.close();
    assert.equal(await idle.reply(), "421 4.3.2");
    await assert.rejects(RawClient.open(to.listener.port), /ECONNREFUSED/);
    answer.resolve();
    assert.equal(await raw.reply(), "250 2.0.0");
    assert.equal(await raw.reply(), "421 4.3.2");
    await closing;
    assert.equal(to.messages.length, 1);
  });

  test("ends after its grace although a client is in the middle of a message", async () => {
    const control = new AbortController();
    const to = await listenForMail({ graceMs: 100, signal: control.signal });
    const raw = await client(to);
    await raw.reply();
    await raw.say("EHLO c");
    await raw.say("MAIL FROM:<>");
    await raw.say("RCPT TO:<a@b.example>");
    await raw.say("DATA");
    raw.write("half a mess");
    control.abort();
    await to.listener.close();
    assert.equal(to.messages.length, 0);
    assert.equal(to.listener.connections(), 0);
  });
});

test("a port that is taken is an error of serve", async () => {
  const to = await inbox();
  await assert.rejects(
    listenForMail({ listen: { host: "127.0.0.1", port: to.listener.port } }),
    /EADDRINUSE/,
  );
});
