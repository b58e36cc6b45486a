import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Patience } from "../../../mailserver/net/patience.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { listenForMail } from "../../support/mail-listener.ts";
import { RawClient } from "../../support/raw-client.ts";

describe("patience", () => {
  /** Waits `waits` milliseconds before each of `bytes` at once; what is left at the end. */
  function trickle(patience: Patience, times: number, waitMs: number, bytes: number): number {
    for (let time = 0; time < times && patience.left > 0; time += 1) {
      patience.waited(waitMs);
      if (patience.left > 0) patience.received(bytes);
    }
    return patience.left;
  }

  test("runs out with a client that trickles, however often it sends something", () => {
    assert.equal(trickle(new Patience(300_000, 50), 100, 4_000, 1), 0);
  });

  test("does not run out with a slow but honest one, nor with one that pauses", () => {
    assert.ok(trickle(new Patience(300_000, 50), 1_000, 1_000, 60) > 0);
    assert.ok(trickle(new Patience(300_000, 50), 100, 180_000, 16_384) > 0);
  });

  test("is never more than the idle time, whatever was sent before", () => {
    const patience = new Patience(300_000, 50);
    patience.received(100_000_000);
    assert.equal(patience.left, 300_000);
  });

  test("without a rate any byte of a message buys the whole of it", () => {
    assert.equal(trickle(new Patience(1_000, 0), 1_000, 900, 1), 1_000);
  });
});

describe("a listener whose clock is ours", () => {
  const begin = async (clock: FakeClock) => {
    const inbox = await listenForMail({
      timing: clock,
      limits: { idleMs: 60_000, sessionMs: 3_600_000, bytesPerSecond: 100 },
    });
    const client = await RawClient.open(inbox.listener.port);
    assert.equal(await client.reply(), "220");
    return { inbox, client };
  };
  const end = async ({ inbox, client }: Awaited<ReturnType<typeof begin>>) => {
    client.close();
    await inbox.listener.close();
  };

  test("gives up a command that comes byte by byte", async () => {
    const clock = new FakeClock(0);
    const both = await begin(clock);
    const { client, inbox } = both;
    for (const byte of "NOOP NOOP NOOP") {
      await arrived(client, byte, clock);
      clock.pass(5_000);
    }
    await fire(clock);
    assert.equal(await client.reply(), "421 4.4.2");
    assert.equal(inbox.messages.length, 0);
    await end(both);
  });

  test("gives up a message that trickles, and frees what was kept for it", async () => {
    const clock = new FakeClock(0);
    const both = await begin(clock);
    const { client } = both;
    await client.say("EHLO c");
    await client.say("MAIL FROM:<>");
    await client.say("RCPT TO:<a@semail.test>");
    assert.equal(await client.say("DATA"), "354");
    for (const byte of "Subject: slow") {
      await arrived(client, byte, clock);
      clock.pass(5_000);
    }
    await fire(clock);
    assert.equal(await client.reply(), "421 4.4.2");
    assert.equal(await client.reply(), "closed");
    await end(both);
  });

  test("lets a client work that answers each reply within the idle time", async () => {
    const clock = new FakeClock(0);
    const both = await begin(clock);
    for (let time = 0; time < 20; time += 1) {
      clock.pass(50_000);
      assert.equal(await both.client.say("NOOP"), "250 2.0.0");
    }
    await end(both);
  });

  test("ends a session at its total time, however busy it is", async () => {
    const clock = new FakeClock(0);
    const both = await begin(clock);
    for (let time = 0; time < 71; time += 1) {
      clock.pass(50_000);
      assert.equal(await both.client.say("NOOP"), "250 2.0.0");
    }
    clock.pass(55_000);
    await fire(clock);
    assert.equal(await both.client.reply(), "421 4.4.2");
    await end(both);
  });
});

/** Sends bytes; settles when the listener has taken them and waits again (its timer is set anew). */
async function arrived(client: RawClient, bytes: string, clock: FakeClock): Promise<void> {
  const set = clock.nextTimer();
  client.write(bytes);
  await set;
}

/** Fires the timer that is due. */
const fire = (clock: FakeClock): Promise<number> => clock.jump();
