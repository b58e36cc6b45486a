/** Boxes that don't answer: their senders are answered in time, and nobody gets a message twice for that. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import type { RecipientAnswer } from "../../../mailserver/policy/recipient.ts";
import { systemClock } from "../../../mailserver/queue/clock.ts";
import { reply } from "../../../mailserver/smtp/replies.ts";
import type { Decision } from "../../../mailserver/smtp/types.ts";
import type { SmtpIn } from "../../../mailserver/smtp-in/daemon.ts";
import type { RawClient } from "../../support/raw-client.ts";
import { box, relay, send, session, spoolFolder, start, vouching } from "./support.ts";

const TAKEN = "250 2.0.0";
const ACCEPT: Decision = { kind: "accept" };
const BUSY: Decision = { kind: "refuse", reply: reply(451, "4.3.0", "trouble") };
const NO: Decision = { kind: "refuse", reply: reply(550, "5.7.1", "not that") };

/** The system's clock, except for the time that clients wait: that is over when the test says so. */
function handClock() {
  let armed = Promise.withResolvers<() => void>();
  let passed = 0;
  const left: number[] = [];
  const clock = {
    now: (): number => systemClock.now() + passed,
    elapsed: (): number => systemClock.elapsed() + passed,
    after: (ms: number, wake: () => void): (() => void) => {
      if (ms < 80_000 || ms > 120_000) return systemClock.after(ms, wake);
      left.push(ms);
      armed.resolve(wake);
      return () => {};
    },
  };
  const timeUp = async (): Promise<void> => {
    const wake = await armed.promise;
    armed = Promise.withResolvers();
    wake();
  };
  const pass = (ms: number): void => {
    passed += ms;
  };
  return { clock, timeUp, pass, left };
}

/** Boxes on one port, each of its own person, which answer nothing until they are told to. */
async function silentBoxes(count: number) {
  const release = Promise.withResolvers<void>();
  const answers: Decision[] = [];
  const asked = Array.from({ length: count }, () => 0);
  const waiters: { readonly total: number; readonly resolve: () => void }[] = [];
  const total = (): number => asked.reduce((sum, one) => sum + one, 0);
  const answer = async (index: number): Promise<Decision> => {
    asked[index] = (asked[index] ?? 0) + 1;
    for (const waiter of waiters) if (total() >= waiter.total) waiter.resolve();
    await release.promise;
    return answers.shift() ?? ACCEPT;
  };
  const first = await box(() => answer(0));
  const { port } = first.listener;
  const others = Array.from({ length: count - 1 }, (_, index) =>
    box(() => answer(index + 1), port, `127.0.1.${index + 2}`),
  );
  const inboxes = [first, ...(await Promise.all(others))];
  const hosts = ["127.0.0.1", ...others.map((_, index) => `127.0.1.${index + 2}`)];
  const people = hosts.map((_, index) => `p${index}@semail.test`);
  const findRecipient = async (address: string): Promise<RecipientAnswer> => {
    const host = hosts[people.indexOf(address)];
    return host === undefined ? { kind: "absent" } : { kind: "box", uid: address, host };
  };
  return {
    port,
    people,
    directory: { findRecipient, close: async () => {} },
    /** Settles when the boxes were given so many copies, answered or not. */
    began: (copies: number): Promise<void> => {
      const { promise, resolve } = Promise.withResolvers<void>();
      waiters.push({ total: copies, resolve });
      if (total() >= copies) resolve();
      return promise;
    },
    /** From now on they answer so, and then accept. */
    answer: (...decisions: Decision[]): void => {
      answers.push(...decisions);
      release.resolve();
    },
    asked,
    taken: () => inboxes.map(({ messages }) => messages.length),
  };
}

async function emptied({ queue }: SmtpIn): Promise<void> {
  while ((await queue.counts()).items > 0) await new Promise((resolve) => setTimeout(resolve, 5));
}

async function last(client: RawClient, to: readonly string[], text?: string): Promise<string> {
  return (await send(client, to, text)).at(-1) ?? "";
}

describe("a message whose boxes don't answer in time is the spool's, and goes into each of them once", () => {
  /** How many boxes; how many have it when the time is up; their first answers; how often they are asked then. */
  const cases: Readonly<Record<string, readonly [number, number, readonly Decision[], number]>> = {
    "one box, which takes it": [1, 1, [], 1],
    "one box, which has trouble": [1, 1, [BUSY], 2],
    "three boxes, which take it": [3, 3, [], 3],
    "three boxes, one of which has trouble": [3, 3, [BUSY], 4],
    "more boxes than are delivered to at the same time": [12, 10, [], 12],
  };
  for (const [name, [count, begun, answers, asked]] of Object.entries(cases)) {
    test(name, { timeout: 20_000 }, async () => {
      const boxes = await silentBoxes(count);
      const { clock, timeUp } = handClock();
      const daemon = await start({ lmtpPort: boxes.port, deps: { clock, directory: boxes.directory } });
      const answered = last(await session(daemon), boxes.people);
      await boxes.began(begun);
      await timeUp();
      assert.equal(await answered, TAKEN);
      // What had not begun goes its way, although the others are still silent.
      await boxes.began(count);
      assert.deepEqual(
        boxes.asked,
        boxes.people.map(() => 1),
      );
      boxes.answer(...answers);
      await emptied(daemon);
      assert.deepEqual(
        boxes.taken(),
        boxes.people.map(() => 1),
      );
      assert.equal(
        boxes.asked.reduce((sum, one) => sum + one, 0),
        asked,
      );
    });
  }
});

test("the sender is told of a box that refuses a message after its time", { timeout: 20_000 }, async () => {
  const out = await relay();
  const boxes = await silentBoxes(1);
  const { clock, timeUp } = handClock();
  const deps = { clock, directory: boxes.directory, query: vouching };
  const daemon = await start({ lmtpPort: boxes.port, relayPort: out.listener.port, deps });
  const answered = last(await session(daemon), boxes.people);
  await boxes.began(1);
  await timeUp();
  assert.equal(await answered, TAKEN);
  boxes.answer(NO);
  await out.reached(1);
  assert.deepEqual([out.messages[0]?.from, out.messages[0]?.to], ["", ["bob@foreign.example"]]);
});

test("a sender who is checked for long waits for the boxes for less", async () => {
  const to = await box();
  const { clock, pass, left } = handClock();
  let asked = 0;
  const query: typeof vouching = (...question) => {
    if (asked === 0) pass(30_000);
    asked += 1;
    return vouching(...question);
  };
  const daemon = await start({ lmtpPort: to.listener.port, deps: { clock, query } });
  assert.equal(await last(await session(daemon), ["alice@semail.test"]), TAKEN);
  assert.equal(left.length, 1);
  assert.ok((left[0] ?? 0) <= 90_000, `${left[0]} ms are left`);
});

test("what was taken for silent boxes is on the disk: the next daemon delivers it", {
  timeout: 20_000,
}, async () => {
  const boxes = await silentBoxes(12);
  const { clock, timeUp } = handClock();
  const queueDir = await spoolFolder();
  const first = await start({ lmtpPort: boxes.port, queueDir, deps: { clock, directory: boxes.directory } });
  const answered = last(await session(first), boxes.people);
  await boxes.began(10);
  await timeUp();
  assert.equal(await answered, TAKEN);
  await boxes.began(12);
  await first.close();
  boxes.answer();
  const next = await start({ lmtpPort: boxes.port, queueDir, deps: { directory: boxes.directory } });
  // The first did not hear whether they took it: that is when a message comes twice.
  await boxes.began(24);
  await emptied(next);
  assert.deepEqual((await next.queue.counts()).items, 0);
});

test("without room in the spool the sender waits for the box, which would get it again from the sender", {
  timeout: 20_000,
}, async () => {
  const boxes = await silentBoxes(1);
  const { clock, timeUp } = handClock();
  const daemon = await start({ lmtpPort: boxes.port, deps: { clock, directory: boxes.directory } });
  const answered = last(await session(daemon), boxes.people);
  await boxes.began(1);
  await daemon.queue.close();
  await timeUp();
  assert.equal(await Promise.race([answered, setImmediate("waits")]), "waits");
  boxes.answer();
  assert.equal(await answered, TAKEN);
  assert.deepEqual(boxes.taken(), [1]);
});

test("what is on its way when its sender was answered counts as memory of its client until it has arrived", {
  timeout: 20_000,
}, async () => {
  const boxes = await silentBoxes(1);
  const { clock, timeUp } = handClock();
  // A client may hold one and a half of the largest messages.
  const large = `Subject: x\r\n\r\n${"x".repeat(70)}\r\n`.padEnd(70_000, `${"x".repeat(70)}\r\n`);
  const daemon = await start({ lmtpPort: boxes.port, deps: { clock, directory: boxes.directory } });
  const client = await session(daemon);
  for (let count = 1; count <= 2; count += 1) {
    const answered = last(client, boxes.people, `${large}\r\n`);
    await timeUp();
    assert.equal(await answered, TAKEN);
  }
  assert.equal(await last(client, boxes.people, `${large}\r\n`), "452 4.3.1");
  boxes.answer();
  await emptied(daemon);
  assert.equal(await last(client, boxes.people, `${large}\r\n`), TAKEN);
});
