import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { Store } from "../../../mailserver/queue/store.ts";
import { item, temporaryFolder } from "../../support/queue.ts";

/** The same numbers in each run (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const answer = { code: 451, status: "4.0.0", text: "later" };

/** One step of work, as the daemon would do it. */
function step(store: Store, pick: (below: number) => number, number: number): void {
  const now = number * 10;
  const names = () => Array.from({ length: 1 + pick(4) }, () => `bob@d${pick(6)}.test`);
  const { items } = store.claimDue({ now, limit: 1 + pick(10), except: [`mx:d${pick(6)}.test`] });
  for (const { id, recipients } of items) {
    const kind = pick(10);
    if (kind === 0) store.setAside({ id, cause: "a test", at: now });
    else if (kind === 1) store.release({ id, seqs: recipients.map(({ seq }) => seq) });
    else {
      const settlements = recipients.map(({ seq, attempts }) => {
        const state = (["pending", "delivered", "failed"] as const)[pick(3)] ?? "pending";
        const next = state === "pending" ? { nextAttempt: now + pick(500) } : {};
        const owed = state === "failed" ? ({ owed: "failed" } as const) : {};
        return { seq, state, attempts: attempts + 1, answer, ...next, ...owed };
      });
      store.settle({ id, at: now, settlements });
      for (const found of store.unreported({ id, at: now }).items) {
        store.report({ id, told: found.recipients });
      }
    }
  }
  if (pick(3) > 0) store.enqueue(item(`m${number}`, names(), { created: now - pick(100) }));
  if (pick(8) === 0) store.hasten({ destination: `mx:d${pick(6)}.test`, at: now });
}

test("each destination's earliest time and the number of items stay true, whatever is done", async () => {
  await using folder = await temporaryFolder();
  const store = new Store({ dir: folder.path });
  const db = new DatabaseSync(join(folder.path, "queue.sqlite"), { readOnly: true });
  const random = randomOf(7);
  const pick = (below: number): number => Math.floor(random() * below);
  let most = 0;
  for (let number = 0; number < 400; number++) {
    store.transaction(() => step(store, pick, number));
    const kept = db.prepare("SELECT name, next_attempt FROM destination ORDER BY name").all();
    const true_ = db
      .prepare(
        `SELECT destination AS name, min(next_attempt) AS next_attempt FROM recipient WHERE state = 'pending'
         GROUP BY destination ORDER BY destination`,
      )
      .all();
    assert.deepEqual(kept, true_);
    const items = Number(db.prepare("SELECT count(*) AS items FROM item").get()?.items);
    assert.equal(store.counts().items, items);
    most = Math.max(most, items);
  }
  db.close();
  store.close();
  // The steps did meet a queue, not an empty one.
  assert.ok(most > 10, `${most} items at most`);
});
