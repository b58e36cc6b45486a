import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { FILE } from "../../../mailserver/queue/database.ts";
import { createItemIds } from "../../../mailserver/queue/item-id.ts";
import { Store } from "../../../mailserver/queue/store.ts";
import { item, temporaryFolder } from "../../support/queue.ts";

const TAG = "0a1b2c3d";
const EARLY = Date.UTC(2026, 0, 1);
const LATE = Date.UTC(2526, 0, 1);

/** Ids made one after the other, at these times. */
function idsAt(times: readonly number[]): string[] {
  const left = times.values();
  let time = 0;
  const newId = createItemIds({ now: () => time, tag: TAG });
  return [...left].map((next) => {
    time = next;
    return newId();
  });
}

const TIMES: readonly (readonly [string, readonly number[]])[] = [
  ["at different times", [EARLY, EARLY + 1, EARLY + 1_000, LATE]],
  ["in one millisecond", Array.from({ length: 2_000 }, () => EARLY)],
  ["while the clock is set back", [EARLY, EARLY - 5_000, EARLY - 4_000, EARLY + 1]],
  [
    "when more came in a millisecond than it has ids",
    [...Array.from({ length: 300 }, () => EARLY), EARLY + 1, EARLY + 2],
  ],
];

for (const [when, times] of TIMES) {
  test(`each id is greater than the one before, ${when}`, () => {
    const ids = idsAt(times);
    assert.deepEqual(ids, ids.toSorted(), "in order");
    assert.equal(new Set(ids).size, times.length, "no two alike");
    for (const id of ids) assert.match(id, /^[0-9a-f]{13}0a1b2c3d$/);
  });
}

test("two processes make different ids at the same time", () => {
  const [one, other] = ["00000001", "00000002"].map((tag) => createItemIds({ now: () => EARLY, tag })());
  assert.notEqual(one, other);
});

test("messages that are taken in together share the pages that a commit writes", async () => {
  const PAGE = 4_096;
  const TOGETHER = 20;
  await using folder = await temporaryFolder();
  const store = new Store({ dir: folder.path });
  let now = EARLY;
  const newId = createItemIds({ now: () => now, tag: TAG });
  const add = (count: number): void => {
    store.transaction(() => {
      for (let made = 0; made < count; made += 1) store.enqueue(item(newId(), ["bob@one.test"]));
      now += 1;
    });
  };
  for (let made = 0; made < 3_000; made += TOGETHER) add(TOGETHER);
  store.checkpoint();
  add(TOGETHER);
  const pages = statSync(join(folder.path, `${FILE}-wal`)).size / PAGE;
  store.close();
  assert.ok(pages < 1.5 * TOGETHER, `${pages} pages of ${TOGETHER} small messages`);
});
