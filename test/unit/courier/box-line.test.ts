import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { type CarryOptions, createBoxLine } from "../../../mailserver/courier/box-line.ts";
import type { Delivery } from "../../../mailserver/courier/types.ts";
import { silentLog } from "../../../mailserver/net/log.ts";
import { ConnectFailed, type DeliveryReport } from "../../../mailserver/net/types.ts";
import { accepted, noAnswer, reply } from "../../../mailserver/smtp/replies.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { address } from "../../support/sending.ts";

const DELIVERY: Delivery = {
  from: null,
  recipients: [address("alice@semail.test")],
  body: Buffer.from("x"),
  eightBit: false,
  smtputf8: false,
};
const TAKEN: DeliveryReport = {
  kind: "done",
  outcomes: [{ kind: "delivered", reply: accepted }],
  tls: undefined,
  bodyBegan: true,
};
const SILENT: DeliveryReport = { kind: "failed", failure: new ConnectFailed("connect", noAnswer) };
const FULL: DeliveryReport = {
  kind: "done",
  outcomes: [{ kind: "temporary", reply: reply(452, "4.2.2", "full") }],
  tls: undefined,
  bodyBegan: false,
};

let clock: FakeClock;
let asked: PromiseWithResolvers<DeliveryReport>[];
let back: string[];
let send: (host?: string, options?: CarryOptions) => Promise<string>;
let restsUntil: (host: string) => number;
let healthy: (host: string) => string | undefined;
beforeEach(() => {
  clock = new FakeClock(0);
  asked = [];
  back = [];
  const line = createBoxLine({
    hostname: "mx.semail.test",
    port: 24,
    connections: {
      deliver: () => {
        const answer = Promise.withResolvers<DeliveryReport>();
        asked.push(answer);
        return answer.promise;
      },
    },
    clock,
    log: silentLog,
    onBack: (host) => void back.push(host),
  });
  ({ restsUntil, healthy } = line);
  send = async (host = "box-alice", options = {}) => {
    const [result] = await line(host, DELIVERY, options);
    return `${result?.kind} ${result?.reply.enhanced}`;
  };
});

/** The box answers what it was asked so far and not answered yet. */
async function answer(report: DeliveryReport): Promise<void> {
  await setImmediate();
  asked.shift()?.resolve(report);
  await setImmediate();
}

describe("in front of a box", () => {
  test("one delivery at a time, in their order", async () => {
    const both = Promise.all([send(), send()]);
    await setImmediate();
    assert.equal(asked.length, 1);
    await answer(TAKEN);
    assert.equal(asked.length, 1);
    await answer(TAKEN);
    assert.deepEqual(await both, ["delivered 2.0.0", "delivered 2.0.0"]);
  });

  test("nobody waits behind more than their patience", async () => {
    const first = send();
    assert.equal(await send("box-alice", { patience: 1 }), "temporary 4.3.2");
    await answer(TAKEN);
    await first;
  });

  test("nobody waits for longer than they said, and whose turn has come in time is served", async () => {
    const first = send();
    const second = send("box-alice", { patienceMs: 60_000 });
    const third = send("box-alice", { patienceMs: 90_000 });
    await setImmediate();
    assert.equal(await clock.jump(), 60_000);
    assert.equal(await second, "temporary 4.3.2");
    await answer(TAKEN);
    assert.equal(await first, "delivered 2.0.0");
    assert.equal(clock.armed, false, "the third has its turn");
    await answer(TAKEN);
    assert.equal(await third, "delivered 2.0.0");
    assert.equal(asked.length, 0, "nothing was delivered for the one that left");
    const last = send();
    await answer(TAKEN);
    assert.equal(await last, "delivered 2.0.0");
  });

  test("those who wait are turned away as soon as one before them got no answer", async () => {
    const all = Promise.all([send(), send(), send()]);
    await answer(SILENT);
    assert.deepEqual(await all, ["temporary 4.4.1", "temporary 4.4.1", "temporary 4.4.1"]);
    assert.equal(asked.length, 0);
    assert.equal(restsUntil("box-alice"), 1_000);
    assert.equal(restsUntil("box-bob"), 0);
  });

  test("after the rest one tries, and the others don't wait for it", async () => {
    const first = send();
    await answer(SILENT);
    await first;
    assert.equal(await send(), "temporary 4.4.1");
    clock.pass(1_000);
    const tries = send("box-alice", { tries: true });
    assert.equal(await send("box-alice", { tries: true }), "temporary 4.4.1");
    assert.equal(await send(), "temporary 4.4.1");
    await answer(TAKEN);
    assert.equal(await tries, "delivered 2.0.0");
    assert.deepEqual(back, ["box-alice"]);
    const next = send();
    await answer(TAKEN);
    assert.equal(await next, "delivered 2.0.0");
    assert.deepEqual(back, ["box-alice"]);
  });

  test("a box that stays silent rests again", async () => {
    const first = send();
    await answer(SILENT);
    await first;
    clock.pass(1_000);
    // Whoever waits for the answer is never the one that tries.
    assert.equal(await send(), "temporary 4.4.1");
    const tries = send("box-alice", { tries: true });
    await answer(SILENT);
    assert.equal(await tries, "temporary 4.4.1");
    assert.equal(await send(), "temporary 4.4.1");
    assert.equal(restsUntil("box-alice"), 2_000);
    assert.deepEqual(back, []);
  });

  for (const hours of [-2, 2]) {
    test(`a box rests as long, and is healthy as long, when the clock is set by ${hours} hours`, async () => {
      const first = send();
      await answer(SILENT);
      await first;
      clock.set(hours * 3_600_000);
      assert.equal(await send("box-alice", { tries: true }), "temporary 4.4.1");
      clock.pass(1_000);
      const tries = send("box-alice", { tries: true });
      await answer(TAKEN);
      assert.equal(await tries, "delivered 2.0.0");
      assert.equal(healthy("box-alice"), "free");
      clock.set(hours * 3_600_000);
      assert.equal(healthy("box-alice"), "free");
      clock.pass(5_000);
      assert.equal(healthy("box-alice"), undefined);
    });
  }

  test("a box whose trial fails by a fault of our own is tried again", async () => {
    const first = send();
    await answer(SILENT);
    await first;
    clock.pass(1_000);
    const tries = send("box-alice", { tries: true });
    await setImmediate();
    asked.shift()?.reject(new Error("a fault of our own"));
    await assert.rejects(tries, /of our own/);
    clock.pass(1_000);
    const again = send("box-alice", { tries: true });
    await answer(TAKEN);
    assert.equal(await again, "delivered 2.0.0");
    assert.deepEqual(back, ["box-alice"]);
  });

  test("a refusal is an answer: the box does not rest", async () => {
    const first = send();
    await answer(FULL);
    assert.equal(await first, "temporary 4.2.2");
    assert.equal(restsUntil("box-alice"), 0);
  });

  test("is healthy for five seconds after it took a message, and busy when more than five wait", async () => {
    assert.equal(healthy("box-alice"), undefined);
    void send();
    await answer(TAKEN);
    assert.equal(healthy("box-alice"), "free");
    const waiting = Array.from({ length: 6 }, () => send());
    await setImmediate();
    assert.equal(healthy("box-alice"), "busy");
    for (const _ of waiting) await answer(TAKEN);
    assert.equal(healthy("box-alice"), "free");
    clock.pass(5_000);
    assert.equal(healthy("box-alice"), undefined);
  });

  test("a box that takes its time for a message is slow, until it is quick again", async () => {
    const deliver = async (ms: number): Promise<void> => {
      void send();
      await setImmediate();
      clock.pass(ms);
      await answer(TAKEN);
    };
    // A few that are late say little of the others, the first ones neither.
    for (let count = 0; count < 2; count += 1) await deliver(10_000);
    assert.equal(healthy("box-alice"), "free");
    for (let count = 0; count < 10; count += 1) await deliver(10);
    await deliver(10_000);
    assert.equal(healthy("box-alice"), "free");
    for (let count = 0; count < 30; count += 1) await deliver(75);
    assert.equal(healthy("box-alice"), "free");
    for (let count = 0; count < 30; count += 1) await deliver(76);
    assert.equal(healthy("box-alice"), "slow");
    const waiting = Array.from({ length: 6 }, () => send());
    await setImmediate();
    assert.equal(healthy("box-alice"), "busy", "but nobody waits behind many");
    for (const _ of waiting) await answer(TAKEN);
    for (let count = 0; count < 20; count += 1) await deliver(10);
    assert.equal(healthy("box-alice"), "free");
  });

  const doubts: Readonly<Record<string, readonly [DeliveryReport, number]>> = {
    "when it did not answer, until it took one again": [SILENT, 1_000],
    "for a day when it refused a message": [FULL, 86_400_000],
  };
  for (const [when, [report, pass]] of Object.entries(doubts)) {
    test(`is not healthy ${when}`, async () => {
      for (const next of [TAKEN, report]) {
        void send();
        await answer(next);
      }
      assert.equal(healthy("box-alice"), undefined);
      clock.pass(pass - 1);
      void send();
      await answer(TAKEN);
      assert.equal(healthy("box-alice"), undefined);
      clock.pass(1);
      void send("box-alice", { tries: true });
      await answer(TAKEN);
      assert.equal(healthy("box-alice"), "free");
    });
  }

  test("boxes don't wait for each other", async () => {
    const both = Promise.all([send("box-alice"), send("box-bob")]);
    await setImmediate();
    assert.equal(asked.length, 2);
    await answer(TAKEN);
    await answer(TAKEN);
    assert.deepEqual(await both, ["delivered 2.0.0", "delivered 2.0.0"]);
  });
});
