/** Deliveries that began while the message was being taken: the runner stores what comes of them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Result } from "../../../mailserver/courier/types.ts";
import type { Group } from "../../../mailserver/queue/backlog.ts";
import type { Queue } from "../../../mailserver/queue/queue.ts";
import { item, temporaryFolder, testQueue } from "../../support/queue.ts";
import { delivered, permanent, run, settledDown, temporary } from "./runner-support.ts";

/** A message that is in the queue, and whose delivery has begun elsewhere. */
async function begun(queue: Queue): Promise<Group> {
  const taken = { ...item("a", ["bob@one.test"]), claimed: true };
  await queue.enqueue(taken);
  const recipients = taken.recipients.map((recipient) => ({ ...recipient, seq: 0, attempts: 0 }));
  const due = { ...taken, size: taken.body.length, recipients };
  return { item: due, destination: "mx:one.test", recipients };
}

/** Which operations of the queue the runner asks for after a delivery that began elsewhere has ended with `result`. */
async function askedAfter(queue: Queue, result: Result): Promise<string[]> {
  const asked: string[] = [];
  const noting = <K extends "claimDue" | "unreported" | "settle">(name: K): Queue[K] =>
    ((argument: never) => {
      asked.push(name);
      return queue[name](argument);
    }) as Queue[K];
  const noted = { claimDue: noting("claimDue"), unreported: noting("unreported"), settle: noting("settle") };
  const { runner, clock } = run({ ...queue, ...noted }, () => delivered);
  const group = await begun(queue);
  const ending = Promise.withResolvers<Result[]>();
  runner.follow(group, ending.promise);
  await settledDown(queue);
  asked.length = 0;
  ending.resolve([result]);
  await settledDown(queue);
  const after = [...asked];
  if (result.kind === "temporary") await clock.jump();
  await settledDown(queue);
  await runner.stop();
  return after;
}

test("a followed delivery that ends well is noted, and nothing is looked for", async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  assert.deepEqual(await askedAfter(queue, delivered), ["settle"]);
  assert.equal((await queue.counts()).items, 0);
});

test("a followed delivery that is put off is tried again at its time", async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  assert.deepEqual(await askedAfter(queue, temporary), ["settle", "unreported", "claimDue"]);
  assert.equal((await queue.counts()).items, 0, "tried again, and taken");
});

test("a followed delivery that fails is told to the sender", async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  assert.deepEqual((await askedAfter(queue, permanent)).slice(0, 2), ["settle", "unreported"]);
  assert.equal((await queue.counts()).items, 0, "the notification is on its way, and taken");
});

test("a delivery that is followed after the runner's end is noted when it ends in a moment", async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  const { runner } = run(queue, () => delivered);
  await settledDown(queue);
  await runner.stop();
  const group = await begun(queue);
  const ending = Promise.withResolvers<Result[]>();
  runner.follow(group, ending.promise);
  await settledDown(queue);
  ending.resolve([delivered]);
  await runner.stop();
  assert.equal((await queue.counts()).items, 0);
});

test("a delivery that is followed after the runner's end, and does not end, is left for the next start", async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  const { runner, clock } = run(queue, () => delivered);
  await settledDown(queue);
  await runner.stop();
  const group = await begun(queue);
  runner.follow(group, new Promise(() => {}));
  await clock.jump();
  await runner.stop();
  assert.equal((await queue.claimDue({ now: 0, limit: 1, except: [] })).items.length, 1);
});
