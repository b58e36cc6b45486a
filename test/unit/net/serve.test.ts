import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { silentLog } from "../../../mailserver/net/log.ts";
import { accepted } from "../../../mailserver/smtp/replies.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { listenForMail } from "../../support/mail-listener.ts";
import { RawClient } from "../../support/raw-client.ts";
import { client, inbox } from "./support.ts";

describe("a listener", () => {
  for (const [last, reply] of [
    ["QUIT", "221 2.0.0"],
    ["NOOP", "250 2.0.0"],
    ["NONSENSE", "500 5.5.1"],
  ] as const) {
    test(`answers a client that closes its sending side right after ${last}`, async () => {
      const to = await inbox();
      const raw = await client(to);
      raw.socket.allowHalfOpen = true;
      raw.write(`EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nDATA\r\nhi\r\n.\r\n${last}\r\n`);
      raw.socket.end();
      const seen = [];
      for (let i = 0; i < 8; i += 1) seen.push(await raw.reply());
      assert.deepEqual(seen, [
        ...["220", "250", "250 2.1.0", "250 2.1.5", "354", "250 2.0.0"],
        ...[reply, "closed"],
      ]);
    });
  }

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
  test("asks nothing more for a client that does not read its replies, and ends the session", async () => {
    const long = { ...accepted, lines: Array.from({ length: 2_000 }, () => "x".repeat(500)) };
    const closed = Promise.withResolvers<string>();
    let asked = Promise.withResolvers<string>();
    const to = await inbox({
      limits: { idleMs: 300 },
      log: {
        ...silentLog,
        info: (event) => event === "smtp.session.close" && closed.resolve("closed"),
      },
      policy: {
        mail: () => {
          asked.resolve("asked");
          return { kind: "accept", reply: long };
        },
      },
    });
    const raw = await client(to);
    await raw.reply();
    await raw.say("EHLO c");
    raw.socket.pause();
    let seen = "asked";
    // Fewer commands than a session may have in vain, and more replies than the system keeps.
    for (let count = 0; count < 40 && seen === "asked"; count += 1) {
      asked = Promise.withResolvers();
      raw.write("MAIL FROM:<>\r\nRSET\r\n");
      seen = await Promise.race([asked.promise, closed.promise]);
    }
    assert.equal(seen, "closed");
  });

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
