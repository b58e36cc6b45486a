/** What the spool takes of one message it takes as a whole. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SmtpInSettings } from "../../../mailserver/contract.ts";
import { type Log, silentLog } from "../../../mailserver/net/log.ts";
import type { Group } from "../../../mailserver/queue/backlog.ts";
import { QueueError } from "../../../mailserver/queue/queue.ts";
import { accepted, noSuchRecipient } from "../../../mailserver/smtp/replies.ts";
import { createNotifier, createSpool, type Kept } from "../../../mailserver/smtp-in/spool.ts";
import { item, temporaryFolder, testQueue } from "../../support/queue.ts";
import { address } from "../../support/sending.ts";

const to = (local: string) => address(`${local}@semail.test`);
/** For a box, for where somebody forwards it, and with a notification. */
const kept: Kept = {
  ...{ id: "m", from: address("sender@elsewhere.test"), proven: true, smtputf8: false, told: {} },
  body: Buffer.from("Subject: x\r\n\r\nhi\r\n"),
  waiting: [{ box: { kind: "box", uid: "alice", host: "box-alice" }, address: to("alice"), wishes: {} }],
  underWay: [],
  forwards: [{ address: address("fred@foreign.example"), original: to("fred") }],
  owed: [{ address: to("gone"), result: { kind: "permanent", reply: noSuchRecipient }, owed: "failed" }],
};

/** A spool whose ids a test chooses; `known` is there already. */
async function keep(ids: readonly string[], more: Partial<Kept> = {}) {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  await queue.enqueue(item("known", ["bob@one.test"]));
  const { limits, retry, notices } = SmtpInSettings.pick({ limits: true, retry: true, notices: true }).parse(
    {},
  );
  const logged: string[] = [];
  const log: Log = { ...silentLog, info: (event) => void logged.push(event) };
  const followed: string[] = [];
  const left = [...ids];
  const deps = {
    ...{ hostname: "mx.semail.test", domains: ["semail.test"], clock: { now: () => 1 }, log, queue },
    follow: ({ item: { id }, recipients }: Group) =>
      void followed.push(...recipients.map(({ seq, address: text }) => `${id} ${seq} ${text}`)),
    newId: () => left.shift() ?? assert.fail("no id left"),
  };
  const spool = createSpool(deps, createNotifier(deps, { limits, retry, notices }));
  const error = await spool({ ...kept, ...more }).then(
    () => undefined,
    (cause: unknown) => cause,
  );
  const { items } = await queue.list({ limit: 10 });
  const due = (await queue.claimDue({ now: 1, limit: 10, except: [] })).items.map(({ id }) => id).sort();
  return { error, logged, followed, due, ids: items.map(({ id }) => id).sort() };
}

test("a message for a box and a forward, of which the sender is told, is kept in three items", async () => {
  const { error, logged, ids } = await keep(["a", "b", "c"]);
  assert.equal(error, undefined);
  assert.deepEqual(ids, ["a", "b", "c", "known"]);
  assert.deepEqual(logged, ["queue.accepted", "queue.accepted", "dsn.queued"]);
});

const underWay: Kept["underWay"] = ["dora", "erin"].map((uid) => ({
  parcel: { box: { kind: "box", uid, host: `box-${uid}` }, address: to(uid), wishes: {} },
  delivery: Promise.resolve({ kind: "delivered", reply: accepted }),
}));

test("what is under way into boxes is kept in an item of its own, which is not due, and followed", async () => {
  const { error, followed, due, ids } = await keep(["a", "b", "c", "d"], { underWay });
  assert.equal(error, undefined);
  assert.deepEqual(ids, ["a", "b", "c", "d", "known"]);
  assert.deepEqual(due, ["b", "c", "d", "known"]);
  assert.deepEqual(followed, ["a 0 dora@semail.test", "a 1 erin@semail.test"]);
});

test("what is under way into boxes is not followed when it can't be kept", async () => {
  const { error, followed, ids } = await keep(["known", "b", "c", "d"], { underWay });
  assert.ok(error instanceof QueueError);
  assert.deepEqual([followed, ids], [[], ["known"]]);
});

describe("nothing of a message is kept, or said to be, when this can't be:", () => {
  const cases = {
    "the copy for the box": ["known", "b", "c"],
    "the forward": ["a", "known", "c"],
    "the notification": ["a", "b", "known"],
  };
  for (const [what, chosen] of Object.entries(cases)) {
    test(what, async () => {
      const { error, logged, ids } = await keep(chosen);
      assert.ok(error instanceof QueueError);
      assert.deepEqual(ids, ["known"]);
      assert.deepEqual(logged, []);
    });
  }
});
