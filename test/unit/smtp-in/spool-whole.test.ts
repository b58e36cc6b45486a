/** What the spool takes of one message it takes as a whole. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SmtpInSettings } from "../../../mailserver/contract.ts";
import { type Log, silentLog } from "../../../mailserver/net/log.ts";
import { QueueError } from "../../../mailserver/queue/queue.ts";
import { noSuchRecipient } from "../../../mailserver/smtp/replies.ts";
import { createNotifier, createSpool, type Kept } from "../../../mailserver/smtp-in/spool.ts";
import { item, temporaryFolder, testQueue } from "../../support/queue.ts";
import { address } from "../../support/sending.ts";

const to = (local: string) => address(`${local}@semail.test`);
/** For a box, for where somebody forwards it, and with a notification. */
const kept: Kept = {
  ...{ id: "m", from: address("sender@elsewhere.test"), proven: true, smtputf8: false, told: {} },
  body: Buffer.from("Subject: x\r\n\r\nhi\r\n"),
  waiting: [{ box: { kind: "box", uid: "alice", host: "box-alice" }, address: to("alice"), wishes: {} }],
  forwards: [{ address: address("fred@foreign.example"), original: to("fred") }],
  owed: [{ address: to("gone"), result: { kind: "permanent", reply: noSuchRecipient }, owed: "failed" }],
};

/** A spool whose ids a test chooses; `known` is there already. */
async function keep(ids: readonly string[]) {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  await queue.enqueue(item("known", ["bob@one.test"]));
  const { limits, retry, notices } = SmtpInSettings.pick({ limits: true, retry: true, notices: true }).parse(
    {},
  );
  const logged: string[] = [];
  const log: Log = { ...silentLog, info: (event) => void logged.push(event) };
  const left = [...ids];
  const deps = {
    ...{ hostname: "mx.semail.test", domains: ["semail.test"], clock: { now: () => 1 }, log, queue },
    newId: () => left.shift() ?? assert.fail("no id left"),
  };
  const spool = createSpool(deps, createNotifier(deps, { limits, retry, notices }));
  const error = await spool(kept).then(
    () => undefined,
    (cause: unknown) => cause,
  );
  const { items } = await queue.list({ limit: 10 });
  return { error, logged, ids: items.map(({ id }) => id).sort() };
}

test("a message for a box and a forward, of which the sender is told, is kept in three items", async () => {
  const { error, logged, ids } = await keep(["a", "b", "c"]);
  assert.equal(error, undefined);
  assert.deepEqual(ids, ["a", "b", "c", "known"]);
  assert.deepEqual(logged, ["queue.accepted", "queue.accepted", "dsn.queued"]);
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
