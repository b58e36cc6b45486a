import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { ClientSettings } from "../../../mailserver/contract.ts";
import type { RecipientAnswer } from "../../../mailserver/policy/recipient.ts";
import { systemClock } from "../../../mailserver/queue/clock.ts";
import { RawClient } from "../../support/raw-client.ts";
import { box, ownIdentity, send, session, start } from "./support.ts";

type Input = Parameters<typeof ClientSettings.parse>[0];

async function daemon(clients: Input, lmtpPort = 1, messageBytes = 100_000) {
  const query = async (name: string): Promise<string[]> => {
    if (name === "1.0.0.127.listed.test") return ["127.0.0.2"];
    if (name.endsWith(".silent.test")) throw Object.assign(new Error("no answer"), { code: "ETIMEOUT" });
    throw Object.assign(new Error("absent"), { code: "ENOTFOUND" });
  };
  const settings = { clients: ClientSettings.parse(clients) };
  return start({ lmtpPort, messageBytes, settings, deps: { query } });
}

describe("a client", () => {
  test("with too many connections is answered 421, until one ends", async () => {
    const { port } = await daemon({ address: { connections: 1 } });
    const first = await RawClient.open(port);
    assert.equal(await first.reply(), "220");
    const second = await RawClient.open(port);
    assert.equal(await second.reply(), "421 4.7.0");
    assert.equal(await second.reply(), "closed");
    assert.equal(await first.say("QUIT"), "221 2.0.0");
    assert.equal(await first.reply(), "closed");
    let again = "421 4.7.0";
    while (again === "421 4.7.0") {
      const third = await RawClient.open(port);
      again = await third.reply();
      third.close();
    }
    assert.equal(again, "220");
  });

  test("of an exempt network is not limited", async () => {
    const { port } = await daemon({ address: { connections: 1 }, exempt: ["127.0.0.0/8"] });
    for (let count = 0; count < 3; count++) {
      const client = await RawClient.open(port);
      assert.equal(await client.reply(), "220");
    }
  });

  test("with too many errors is answered 421 when it comes again", async () => {
    const made = await daemon({ address: { errorsPerHour: 2 } });
    const client = await session(made);
    await client.say("NONSENSE");
    await client.say("NONSENSE");
    assert.equal(await (await RawClient.open(made.port)).reply(), "421 4.7.0");
  });

  test("that comes too often waits for a minute, and who was absent is looked up after a second, also when the clock is set back", async () => {
    let [set, passed, there] = [0, 0, false];
    const clock = {
      ...systemClock,
      now: () => systemClock.now() + set,
      elapsed: () => systemClock.elapsed() + passed,
    };
    const directory = {
      findRecipient: async (): Promise<RecipientAnswer> =>
        there ? { kind: "box", uid: "alice", host: "127.0.0.1" } : { kind: "absent" },
      close: async () => {},
    };
    const { port } = await start({
      lmtpPort: 1,
      settings: { clients: ClientSettings.parse({ address: { connectionsPerMinute: 1 } }) },
      deps: { clock, directory },
    });
    /** The greeting, or the answer to RCPT. */
    const come = async (): Promise<string> => {
      const client = await RawClient.open(port);
      const greeting = await client.reply();
      if (greeting !== "220") return greeting;
      for (const line of ["EHLO client.example", "MAIL FROM:<bob@foreign.example>"]) await client.say(line);
      return client.say("RCPT TO:<new@semail.test>");
    };
    assert.deepEqual([await come(), await come()], ["550 5.1.1", "421 4.7.0"]);
    there = true;
    set = -3_600_000;
    passed = 60_000;
    assert.equal(await come(), "250 2.1.5");
  });

  test("with too many recipients is answered 450, absent ones not counted", async () => {
    const client = await session(await daemon({ network: { recipientsPerHour: 1 } }));
    const to = ["nobody@semail.test", "alice@semail.test", "dora@semail.test"];
    const found = await send(client, to);
    assert.deepEqual(found.slice(0, 3), ["550 5.1.1", "250 2.1.5", "450 4.7.1"]);
  });

  test("on a block list reaches postmaster alone, also under TLS", async () => {
    const to = await box();
    const client = await session(
      await daemon({ blockLists: ["silent.test", "listed.test"] }, to.listener.port),
    );
    const all = ["alice@semail.test", "postmaster@semail.test"];
    assert.deepEqual(await send(client, all), ["550 5.7.1", "250 2.1.5", "250 2.0.0"]);
    await client.say("STARTTLS");
    await client.secure({ ca: (await ownIdentity()).ca });
    await client.say("EHLO c");
    assert.deepEqual(await send(client, all.slice(0, 1)), ["550 5.7.1"]);
  });

  test("is served while the block lists are silent", async () => {
    const client = await session(await daemon({ blockLists: ["silent.test"] }));
    assert.deepEqual((await send(client, ["alice@semail.test"])).slice(0, 1), ["250 2.1.5"]);
  });
});

describe("the greeting with a delay", () => {
  test("comes to a client that waits", async () => {
    const { port } = await daemon({ greetDelayMs: 50 });
    const client = await RawClient.open(port);
    const start = performance.now();
    assert.equal(await client.reply(), "220");
    assert.ok(performance.now() - start > 30);
    assert.equal(await client.say("EHLO c"), "250");
  });

  test("does not come to one that speaks first", async () => {
    const { port } = await daemon({ greetDelayMs: 5_000 });
    const client = await RawClient.open(port);
    client.write("EHLO spammer\r\n");
    assert.equal(await client.reply(), "554 5.5.1");
    assert.equal(await client.reply(), "closed");
  });

  test("does not keep one that goes", async () => {
    const made = await daemon({ greetDelayMs: 60_000 });
    const client = await RawClient.open(made.port);
    const closed = once(client.socket, "close");
    client.close();
    await closed;
    const began = performance.now();
    await made.close();
    assert.ok(performance.now() - began < 2_500);
  });
});

describe("behind a load balancer", () => {
  const proxies = ["127.0.0.0/8"];
  test("the client's own address counts and is in the trace", async () => {
    const to = await box();
    const made = await daemon({ proxies, address: { connections: 1 } }, to.listener.port);
    const client = await RawClient.open(made.port);
    client.write("PROXY TCP4 192.0.2.7 127.0.0.1 1025 25\r\n");
    assert.equal(await client.reply(), "220");
    await client.say("EHLO c");
    await send(client, ["alice@semail.test"]);
    assert.match(to.messages[0]?.text ?? "", /^Received: from c \(\[192\.0\.2\.7\]\)/);
    const other = await RawClient.open(made.port);
    other.write("PROXY TCP4 192.0.2.8 127.0.0.1 1025 25\r\n");
    assert.equal(await other.reply(), "220");
    const same = await RawClient.open(made.port);
    same.write("PROXY TCP4 192.0.2.7 127.0.0.1 1025 25\r\n");
    assert.equal(await same.reply(), "421 4.7.0");
  });

  test("two strangers who never come to an end of what they send keep nobody else's mail out", async () => {
    const to = await box();
    const made = await daemon({ proxies }, to.listener.port, 1_000_000);
    const from = async (client: string): Promise<RawClient> => {
      const opened = await RawClient.open(made.port);
      opened.write(`PROXY TCP4 ${client} 127.0.0.1 1025 25\r\n`);
      assert.equal(await opened.reply(), "220");
      await opened.say("EHLO c");
      return opened;
    };
    const message = (lines: number): string => `${"x".repeat(98)}\r\n`.repeat(lines);
    const held: RawClient[] = [];
    for (const client of ["192.0.2.1", "192.0.2.2"]) {
      for (const lines of [9_900, 4_900]) {
        const stranger = await from(client);
        for (const line of ["MAIL FROM:<>", "RCPT TO:<carol@semail.test>", "DATA"]) await stranger.say(line);
        const before = made.room.held;
        stranger.write(message(lines));
        while (made.room.held < before + 100 * lines) await setImmediate();
        held.push(stranger);
      }
    }
    assert.deepEqual(await send(await from("192.0.2.3"), ["alice@semail.test"], message(9_900)), [
      "250 2.1.5",
      "250 2.0.0",
    ]);
    assert.deepEqual(await send(await from("192.0.2.4"), ["alice@semail.test"]), ["250 2.1.5", "250 2.0.0"]);
    assert.equal(await held[0]?.say("."), "452 4.3.1");
  });

  test("what comes with the header is read after the greeting", async () => {
    const client = await RawClient.open((await daemon({ proxies })).port);
    client.write("PROXY TCP6 2001:db8::1 ::1 1025 25\r\nEHLO c\r\n");
    assert.equal(await client.reply(), "220");
    assert.equal(await client.reply(), "250");
  });

  test("a balancer that says nothing of a client is closed", async () => {
    const client = await RawClient.open((await daemon({ proxies })).port);
    client.write("EHLO c\r\n");
    assert.equal(await client.reply(), "closed");
  });

  test("anybody else is taken at their own address, whatever they claim", async () => {
    const client = await RawClient.open((await daemon({ proxies: ["192.0.2.0/24"] })).port);
    assert.equal(await client.reply(), "220");
    assert.equal(await client.say("PROXY TCP4 192.0.2.7 127.0.0.1 1025 25"), "500 5.5.1");
  });
});
