import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { createBoxLine } from "../../../mailserver/courier/box-line.ts";
import { silentLog } from "../../../mailserver/net/log.ts";
import { accepted } from "../../../mailserver/smtp/replies.ts";
import type { FromWorker } from "../../../mailserver/workers/messages.ts";
import { RemoteTurns } from "../../../mailserver/workers/remote-turns.ts";
import { address } from "../../support/sending.ts";
import { Site, type Worker } from "./turns-site.ts";

let site: Site;
let order: string[];
let [one, two, three] = [] as unknown as [Worker, Worker, Worker];
beforeEach(() => {
  site = new Site();
  order = [];
  [one, two, three] = [site.worker(), site.worker(), site.worker()];
});

/** Notes that the turn came; what it gives ends it. */
async function enter(name: string, { turns }: Worker, signal?: AbortSignal): Promise<() => void> {
  const end = await turns.take("box-alice", signal);
  order.push(name);
  return end;
}

/** Settles all messages, too, since a turn comes with one. */
async function entered(name: string, worker: Worker): Promise<() => void> {
  const turn = enter(name, worker);
  await site.settle();
  return await turn;
}

/** So many deliveries of a worker, one after the other without a pause. */
async function row(worker: Worker, name: string, deliveries: number): Promise<void> {
  for (let delivery = 1; delivery <= deliveries; delivery += 1)
    (await enter(`${name} ${delivery}`, worker))();
}

describe("a box's turn", () => {
  test("is the first one's until they end it", async () => {
    const end = await entered("one", one);
    const second = enter("two", two);
    await site.settle();
    assert.deepEqual(order, ["one"]);
    end();
    await site.settle();
    (await second)();
    assert.deepEqual(order, ["one", "two"]);
    await site.settle();
    assert.deepEqual([one.said, two.said], Array(2).fill(["turn", "turnOver"]));
    assert.equal(site.clock.armed, false);
  });

  test("is taken for each box by itself", async () => {
    await entered("one", one);
    const bob = two.turns.take("box-bob");
    await site.settle();
    await bob;
  });

  test("goes to who waits before who comes again", async () => {
    const end = await entered("one", one);
    const second = enter("two", two);
    await site.settle();
    end();
    await site.round();
    const again = enter("one", one);
    await site.settle();
    assert.deepEqual(order, ["one", "two"]);
    (await second)();
    await site.settle();
    (await again)();
    assert.deepEqual(order, ["one", "two", "one"]);
  });

  for (const how of ["dies", "hangs"]) {
    test(`is not waited for longer than a second when its owner ${how}`, async () => {
      const slow = await entered("one", one);
      const second = enter("two", two);
      await site.settle();
      // The primary learns of the death of a process later than the system, or never.
      if (how === "dies") one.alive = false;
      assert.equal(await site.clock.jump(), 1_000);
      (await second)();
      assert.deepEqual(order, ["one", "two"]);
      // The primary's second is over, too: the turn passes on, comes too late for this one, and is given back.
      assert.equal(await site.clock.jump(), 1_000);
      await site.settle();
      assert.deepEqual(two.said, ["turn", "turnOver"]);
      const end = await entered("three", three);
      // It is another's now, and not the slow one's to end.
      slow();
      const again = enter("two again", two);
      await site.settle();
      assert.deepEqual(order, ["one", "two", "three"]);
      end();
      await site.settle();
      (await again)();
    });
  }

  test("is left alone by who gives up, and given back when it comes after all", async () => {
    const end = await entered("one", one);
    const abort = new AbortController();
    const gone = enter("two", two, abort.signal);
    await site.settle();
    abort.abort();
    const endGone = await gone;
    const third = enter("three", three);
    await site.settle();
    endGone();
    await site.settle();
    assert.deepEqual(order, ["one", "two"]);
    end();
    await site.settle();
    (await third)();
    assert.deepEqual(two.said, ["turn", "turnOver"]);
    assert.equal(site.clock.now(), 0);
  });

  test("is not asked for by who has given up already", async () => {
    (await enter("one", one, AbortSignal.abort()))();
    assert.deepEqual(one.said, []);
  });

  test("is kept by who gives up only after it came, and nobody else gives up with them", async () => {
    const abort = new AbortController();
    const first = enter("one", one, abort.signal);
    await site.settle();
    const end = await first;
    const second = enter("one again", one);
    abort.abort();
    await site.settle();
    assert.deepEqual(order, ["one"]);
    end();
    (await second)();
    await site.settle();
    assert.deepEqual(one.said, ["turn", "turnOver"]);
    assert.equal(site.clock.now(), 0);
  });

  test("goes on to the next when the process of its owner ends, and to none that ended", async () => {
    await entered("one", one);
    void enter("two", two);
    await site.settle();
    const third = enter("three", three);
    await site.settle();
    site.kill(two);
    site.kill(one);
    await site.settle();
    (await third)();
    assert.deepEqual(order, ["one", "three"]);
  });

  test("that comes late serves another delivery that waits", async () => {
    const end = await entered("one", one);
    const first = enter("two", two);
    await site.settle();
    await site.clock.jump();
    (await first)();
    const second = enter("two again", two);
    end();
    await site.settle();
    (await second)();
    await site.settle();
    assert.deepEqual(two.said, ["turn", "turnOver"]);
    assert.equal(site.clock.armed, false);
  });

  test("serves those who meet in one process first come first served", async () => {
    const turns = ["a", "b", "c"].map((name) => enter(name, one));
    await site.settle();
    for (const [index, turn] of turns.entries()) {
      assert.equal(order.length, index + 1);
      const end = await turn;
      end();
      // Only once: the next one's is not its to end.
      end();
      await setImmediate();
    }
    assert.deepEqual(order, ["a", "b", "c"]);
    await site.settle();
    assert.deepEqual(one.said, ["turn", "turnOver"]);
  });
});

describe("a row of deliveries", () => {
  test("of up to eight needs no more messages than one, and then others come first", async () => {
    const deliveries = row(one, "one", 10);
    const other = enter("two", two);
    await site.settle();
    assert.deepEqual(one.said, ["turn", "turnOver", "turn"]);
    assert.deepEqual(order.slice(-2), ["one 8", "two"]);
    (await other)();
    await site.settle();
    await deliveries;
    assert.deepEqual(order.slice(-3), ["two", "one 9", "one 10"]);
    assert.deepEqual(one.said, ["turn", "turnOver", "turn", "turnOver"]);
  });

  test("lasts a tenth of a second", async () => {
    const first = await entered("one", one);
    site.clock.pass(99);
    first();
    const second = await enter("one", one);
    assert.deepEqual(one.said, ["turn"]);
    site.clock.pass(1);
    second();
    assert.deepEqual(one.said, ["turn", "turnOver"]);
  });

  test("ends with the round of the event loop in which nobody goes on", async () => {
    const end = await entered("one", one);
    end();
    assert.deepEqual(one.said, ["turn"]);
    await site.round();
    assert.deepEqual(one.said, ["turn", "turnOver"]);
    const next = await entered("one", one);
    next();
    // What was put off for the first is no hindrance to who goes on.
    const after = await enter("one", one);
    await site.round();
    assert.deepEqual(one.said, ["turn", "turnOver", "turn"]);
    after();
  });

  test("asks again for those who wait in the same process", async () => {
    const turns = Array.from({ length: 9 }, (_, index) => enter(String(index), one));
    await site.settle();
    for (const turn of turns.slice(0, 8)) (await turn)();
    assert.deepEqual(one.said, ["turn", "turnOver", "turn"]);
    await site.settle();
    (await turns[8])?.();
    await site.settle();
    assert.deepEqual(one.said, ["turn", "turnOver", "turn", "turnOver"]);
  });

  test("is what a box's line makes", async () => {
    const said: FromWorker[] = [];
    const turns = new RemoteTurns({
      send: (message) => {
        said.push(message);
        if (message.kind === "turn") void setImmediate().then(() => turns.given(message.host));
      },
      timing: site.clock,
    });
    const line = createBoxLine({
      ...{ hostname: "mx.semail.test", port: 24, clock: site.clock, log: silentLog, turns },
      connections: {
        deliver: async () => {
          await setImmediate();
          const outcomes = [{ kind: "delivered", reply: accepted }] as const;
          return { kind: "done", outcomes: [...outcomes], tls: undefined, bodyBegan: true };
        },
      },
      onBack: () => {},
    });
    const delivery = {
      ...{ from: null, recipients: [address("alice@semail.test")], body: Buffer.from("x") },
      ...{ eightBit: false, smtputf8: false },
    };
    await Promise.all(Array.from({ length: 20 }, () => line("box-alice", delivery)));
    await setImmediate();
    const turn = ["turn", "turnOver"];
    assert.deepEqual(
      said.map(({ kind }) => kind),
      [...turn, ...turn, ...turn],
    );
  });
});
