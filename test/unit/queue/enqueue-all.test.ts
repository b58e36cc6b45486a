/** The items of one message are in the queue together, or none of them is. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { NewItem } from "../../../mailserver/queue/item.ts";
import { type Queue, QueueError, QueueFull } from "../../../mailserver/queue/queue.ts";
import { item, temporaryFolder, testQueue } from "../../support/queue.ts";

const all = { now: 10, limit: 100, except: [] };
const small = (id: string): NewItem => item(id, [`bob@${id}.test`]);
const idsIn = async (queue: Queue): Promise<string[]> => {
  const { items } = await queue.claimDue(all);
  return items.map(({ id }) => id).sort();
};

test("several items are due together, and who waits for that hears of it once", async () => {
  await using folder = await temporaryFolder();
  await using queue = await testQueue(folder.path);
  let heard = 0;
  queue.onEnqueued(() => {
    heard += 1;
  });
  await queue.enqueueAll(["a", "b", "c"].map(small));
  assert.equal(heard, 1);
  assert.deepEqual(await idsIn(queue), ["a", "b", "c"]);
});

const faults: Readonly<Record<string, { bad: NewItem; error: typeof QueueFull | typeof QueueError }>> = {
  "finds no room": { bad: { ...small("bad"), body: Buffer.alloc(2_000_000) }, error: QueueFull },
  "is there already": { bad: small("known"), error: QueueError },
};
describe("none of several items is queued when one", () => {
  for (const [what, { bad, error }] of Object.entries(faults)) {
    for (const at of [0, 1, 2]) {
      for (const company of [false, true]) {
        test(`${what}: number ${at}, ${company ? "while others come" : "alone"}`, async () => {
          await using folder = await temporaryFolder();
          await using queue = await testQueue(folder.path, { maxPages: 300 });
          await queue.enqueue(small("known"));
          const items = ["a", "b"].map(small).toSpliced(at, 0, bad);
          // Asked for at the same time, they share a transaction until it fails.
          const before = company ? queue.enqueue(small("before")) : undefined;
          const failing = queue.enqueueAll(items);
          const after = company ? queue.enqueueAll(["after1", "after2"].map(small)) : undefined;
          await assert.rejects(failing, error);
          await Promise.all([before, after]);
          const others = company ? ["after1", "after2", "before"] : [];
          assert.deepEqual(await idsIn(queue), [...others, "known"]);
        });
      }
    }
  }
});
