import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import type { Health } from "../../../mailserver/courier/box-health.ts";
import type { Result } from "../../../mailserver/courier/types.ts";
import { silentLog } from "../../../mailserver/net/log.ts";
import { accepted, reply } from "../../../mailserver/smtp/replies.ts";
import type { Decision } from "../../../mailserver/smtp/types.ts";
import type { SmtpIn } from "../../../mailserver/smtp-in/daemon.ts";
import { createTandem } from "../../../mailserver/smtp-in/tandem.ts";
import type { RawClient } from "../../support/raw-client.ts";
import { address } from "../../support/sending.ts";
import { box, relay, send, session, spoolFolder, start, vouching } from "./support.ts";

const TAKEN = "250 2.0.0";
const ACCEPT: Decision = { kind: "accept" };
const FULL: Decision = { kind: "refuse", reply: reply(452, "4.2.2", "full") };
const NO: Decision = { kind: "refuse", reply: reply(550, "5.7.1", "not that") };
const SLOW = "Subject: slow\r\n\r\n";

/** A box that answers slow messages when it is told to, and others at once. */
async function slowBox(other: () => Decision = () => ACCEPT) {
  const held: ((decision: Decision) => void)[] = [];
  let began = Promise.withResolvers<void>();
  const made = await box((text) => {
    if (!text.includes("Subject: slow")) return other();
    return new Promise<Decision>((resolve) => {
      held.push(resolve);
      began.resolve();
    });
  });
  return {
    made,
    port: made.listener.port,
    /** Settles when the box works on a slow message. */
    began: () => began.promise,
    async answer(decision: Decision): Promise<void> {
      await began.promise;
      began = Promise.withResolvers();
      held.shift()?.(decision);
    },
  };
}

/** The reply to one message for `to`. */
async function reply1(client: RawClient, to = ["alice@semail.test"], text?: string): Promise<string> {
  return (await send(client, to, text)).at(-1) ?? "";
}

async function emptied({ queue }: SmtpIn): Promise<void> {
  while ((await queue.counts()).items > 0) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe("a message for a box that took one a moment ago", () => {
  test("is the disk's until the box has it, and nobody waits for that", async () => {
    const slow = await slowBox();
    const daemon = await start({ lmtpPort: slow.port });
    const client = await session(daemon);
    assert.equal(await reply1(client), TAKEN);
    assert.equal((await daemon.queue.counts()).items, 0, "the first one waits for the box");
    assert.equal(await reply1(client, undefined, SLOW), TAKEN);
    assert.equal((await daemon.queue.counts()).items, 1);
    await slow.answer(ACCEPT);
    await emptied(daemon);
    assert.equal(slow.made.messages.length, 2);
  });

  test("goes to each of several boxes once", async () => {
    const first = await slowBox();
    const second = await box(() => ACCEPT, first.port, "127.0.0.2");
    const daemon = await start({ lmtpPort: first.port });
    const client = await session(daemon);
    const both = ["alice@semail.test", "dora@semail.test"];
    await reply1(client, both);
    assert.equal(await reply1(client, both, SLOW), TAKEN);
    await second.reached(2);
    await first.answer(ACCEPT);
    await emptied(daemon);
    assert.deepEqual([first.made.messages.length, second.messages.length], [2, 2]);
  });

  test("is delivered by the next daemon when this one ends before the box has answered", async () => {
    const slow = await slowBox();
    const queueDir = await spoolFolder();
    const first = await start({ lmtpPort: slow.port, queueDir });
    const client = await session(first);
    await reply1(client);
    assert.equal(await reply1(client, undefined, SLOW), TAKEN);
    await slow.began();
    await first.close();
    const healthy = await box();
    await start({ lmtpPort: healthy.listener.port, queueDir });
    await healthy.reached(1);
    assert.match(healthy.messages[0]?.text ?? "", /^Subject: slow/m);
  });

  test("which is full then is tried again until there is room", async () => {
    const slow = await slowBox();
    const daemon = await start({ lmtpPort: slow.port });
    const client = await session(daemon);
    await reply1(client);
    assert.equal(await reply1(client, undefined, SLOW), TAKEN);
    for (const answer of [FULL, FULL, ACCEPT]) await slow.answer(answer);
    await emptied(daemon);
    assert.equal(slow.made.messages.length, 2);
  });

  test("which refuses it then is told of to the sender", async () => {
    const slow = await slowBox();
    const out = await relay();
    const daemon = await start({
      lmtpPort: slow.port,
      relayPort: out.listener.port,
      deps: { query: vouching },
    });
    const client = await session(daemon);
    await reply1(client);
    assert.equal(await reply1(client, undefined, SLOW), TAKEN);
    await slow.answer(NO);
    await out.reached(1);
    assert.deepEqual([out.messages[0]?.from, out.messages[0]?.to], ["", ["bob@foreign.example"]]);
    await emptied(daemon);
  });

  test("waits for the box when the disk has no room", async () => {
    const slow = await slowBox();
    const daemon = await start({ lmtpPort: slow.port });
    const client = await session(daemon);
    await reply1(client);
    await daemon.queue.close();
    const waits = reply1(client, undefined, SLOW);
    await slow.answer(ACCEPT);
    assert.equal(await waits, TAKEN);
    assert.equal(slow.made.messages.length, 2);
  });
});

test("what comes for a box with a long line goes in its turn, and nobody waits", async () => {
  const slow = await slowBox();
  const daemon = await start({ lmtpPort: slow.port });
  const client = await session(daemon);
  await reply1(client);
  for (let count = 0; count < 10; count += 1) assert.equal(await reply1(client, undefined, SLOW), TAKEN);
  assert.equal((await daemon.queue.counts()).items, 10);
  for (let count = 0; count < 10; count += 1) await slow.answer(ACCEPT);
  await emptied(daemon);
  assert.equal(slow.made.messages.length, 11);
});

describe("the box's own answer is the sender's", () => {
  /** What was before, who the message is for, and what it is. */
  const cases: Readonly<Record<string, { to?: string[]; before?: string[]; later?: number }>> = {
    "when nothing is known of the box": { before: [] },
    "when the box took its last message six seconds ago": { later: 6_000 },
    "when it refused one today": { before: ["Subject: refused\r\n\r\n", "Subject: x\r\n\r\n"] },
    "for a message that is forwarded": { to: ["fred@semail.test"] },
  };
  for (const [name, { to, before = ["Subject: x\r\n\r\n"], later = 0 }] of Object.entries(cases)) {
    test(name, async () => {
      let refuses = before.length > 1;
      const slow = await slowBox(() => {
        const decision = refuses ? NO : ACCEPT;
        refuses = false;
        return decision;
      });
      let now = 1_000_000;
      const clock = { now: () => now, elapsed: () => now, after: () => () => {} };
      const daemon = await start({ lmtpPort: slow.port, deps: { clock } });
      const client = await session(daemon);
      for (const text of before) await reply1(client, ["alice@semail.test"], text);
      now += later;
      const waits = reply1(client, to, SLOW);
      await slow.answer(NO);
      assert.equal(await waits, "550 5.7.1");
    });
  }
});

test("no more than 16 MiB are held in memory for boxes that have not answered", async () => {
  const kept: (boolean | undefined)[] = [];
  const tandem = createTandem({
    boxes: { healthy: () => "free" },
    queue: { enqueue: async ({ claimed }) => void kept.push(claimed) },
    follow: () => {},
    newId: () => `item-${kept.length}`,
    clock: { now: () => 0 },
    log: silentLog,
  });
  const parcel = {
    box: { kind: "box" as const, uid: "alice", host: "box-alice" },
    address: address("alice@semail.test"),
    wishes: {},
  };
  const body = Buffer.alloc(4 * 1024 * 1024);
  const message = { id: "m", from: null, proven: false, smtputf8: false, told: {}, body, parcels: [parcel] };
  const answers: PromiseWithResolvers<Result>[] = [];
  const take = async (): Promise<string> => {
    const answer = Promise.withResolvers<Result>();
    answers.push(answer);
    return (await tandem(message, () => answer.promise)).kind;
  };
  for (let count = 0; count < 5; count += 1) assert.equal(await take(), "kept");
  answers[0]?.resolve({ kind: "delivered", reply: accepted });
  await setImmediate();
  assert.equal(await take(), "kept");
  assert.deepEqual(kept, [true, true, true, true, false, true]);
});

describe("a message for several boxes", () => {
  /** How they are, and what the disk has of it: on its way already, or in its turn. */
  const cases: Readonly<Record<string, readonly [states: (Health | undefined)[], taken: string]>> = {
    "of which all are free is on its way": [["free", "free"], "kept claimed"],
    "of which one is busy goes in its turn": [["free", "busy"], "kept"],
    "of which one is slow is waited for": [["free", "slow"], "wait"],
    "of which one is unknown is waited for": [[undefined, "free"], "wait"],
    "of which one is slow and one busy is waited for": [["busy", "slow"], "wait"],
  };
  for (const [name, [states, want]] of Object.entries(cases)) {
    test(name, async () => {
      let how = "";
      const tandem = createTandem({
        boxes: { healthy: (host) => states[Number(host)] },
        queue: {
          enqueue: async ({ claimed }) => {
            how = claimed ? " claimed" : "";
          },
        },
        ...{ follow: () => {}, newId: () => "item", clock: { now: () => 0 }, log: silentLog },
      });
      const parcels = states.map((_, index) => ({
        box: { kind: "box" as const, uid: `${index}`, host: `${index}` },
        address: address(`p${index}@semail.test`),
        wishes: {},
      }));
      const message = { id: "m", from: null, proven: false, smtputf8: false, told: {}, parcels };
      const deliver = async (): Promise<Result> => ({ kind: "delivered", reply: accepted });
      const { kind } = await tandem({ ...message, body: Buffer.from("x") }, deliver);
      assert.equal(`${kind}${how}`, want);
    });
  }
});

describe("the answer to a message that is on its way already", () => {
  const message = {
    ...{ id: "m", from: null, proven: false, smtputf8: false, told: {}, body: Buffer.from("x") },
    parcels: [
      {
        box: { kind: "box" as const, uid: "alice", host: "box-alice" },
        address: address("alice@semail.test"),
        wishes: {},
      },
    ],
  };

  /** Taken while the disk is at it; `disk` ends that. */
  function begin(disk: PromiseWithResolvers<void>) {
    const tandem = createTandem({
      ...{ boxes: { healthy: () => "free" as const }, follow: () => {}, newId: () => "item" },
      ...{ queue: { enqueue: () => disk.promise }, clock: { now: () => 0 }, log: silentLog },
    });
    return tandem(message, async () => ({ kind: "delivered", reply: accepted }));
  }

  test("is not given before the disk has it", async () => {
    const disk = Promise.withResolvers<void>();
    const taken = begin(disk);
    assert.equal(await Promise.race([taken, setImmediate("not yet")]), "not yet");
    disk.resolve();
    assert.deepEqual(await taken, { kind: "kept" });
  });

  test("is the boxes' when the disk can't have it", async () => {
    const disk = Promise.withResolvers<void>();
    disk.reject(new Error("the disk is full"));
    const taken = await begin(disk);
    assert.equal(taken.kind, "wait");
    assert.deepEqual(taken.kind === "wait" && (await taken.results), [
      { kind: "delivered", reply: accepted },
    ]);
  });
});
