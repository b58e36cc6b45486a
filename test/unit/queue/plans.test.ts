import assert from "node:assert/strict";
import type { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { openDatabase } from "../../../mailserver/queue/database.ts";
import { QUERIES } from "../../../mailserver/queue/queries.ts";
import { STEPS } from "../../../mailserver/queue/schema.ts";
import { temporaryFolder } from "../../support/queue.ts";

/** What SQLite says it will do: https://sqlite.org/eqp.html */
function planOf(db: DatabaseSync, sql: string): string[] {
  return db
    .prepare(`EXPLAIN QUERY PLAN ${sql}`)
    .all()
    .map(({ detail }) => String(detail));
}

const OWN = /^SEARCH recipient USING PRIMARY KEY \(item=\?/;
const CLAIMED = /^SEARCH c USING PRIMARY KEY \(item=\? AND seq=\?\)$/;
const SUBQUERY = /^CORRELATED SCALAR SUBQUERY \d+$/;
const wanted: Readonly<Record<Exclude<keyof typeof QUERIES, "census">, readonly RegExp[]>> = {
  dueDestinations: [/^SEARCH destination USING COVERING INDEX destination_next \(next_attempt<\?\)$/],
  due: [/^SEARCH r USING COVERING INDEX waiting \(destination=\? AND next_attempt<\?\)$/, SUBQUERY, CLAIMED],
  // Read in order, and only as far as the first that is not busy.
  destinations: [/^SCAN destination USING COVERING INDEX destination_next$/],
  next: [/^SEARCH r USING COVERING INDEX waiting \(destination=\?\)$/, SUBQUERY, CLAIMED],
  hasten: [
    /^SEARCH recipient USING PRIMARY KEY \(item=\? AND seq=\?\)$/,
    /^LIST SUBQUERY \d+$/,
    /^SEARCH recipient USING COVERING INDEX waiting \(destination=\? AND next_attempt>\?\)$/,
  ],
  unreported: [/^SEARCH recipient USING (COVERING )?INDEX owed \(item>\?\)$/],
  isUnreported: [/^SEARCH recipient USING (PRIMARY KEY|(COVERING )?INDEX owed) \(item=\?\)$/],
  isOpen: [OWN],
  open: [OWN],
  settle: [OWN],
  told: [OWN],
  pending: [OWN],
  retry: [OWN],
  hold: [OWN],
  unhold: [OWN],
  destinationsFrom: [/^SEARCH destination USING PRIMARY KEY \(name>\?\)$/],
  oldest: [/^SCAN item USING (COVERING )?INDEX item_created$/],
  held: [/^SCAN recipient USING (COVERING )?INDEX held$/],
  deferred: [/^SCAN recipient USING (COVERING )?INDEX deferred$/],
  forget: [OWN],
  forgetBody: [/^SEARCH body USING INDEX sqlite_autoindex_body_1 \(id=\?\)$/],
};

test("counting by state reads indices alone", async () => {
  await using folder = await temporaryFolder();
  const db = openDatabase(folder.path);
  const plan = planOf(db, QUERIES.census);
  db.close();
  for (const step of plan.filter((step) => /^(SCAN|SEARCH) (?!CONSTANT)/.test(step))) {
    assert.match(step, /USING COVERING INDEX (held|deferred|item_created)/, plan.join("\n"));
  }
});

for (const [name, steps] of Object.entries(wanted)) {
  test(`costs the same in a long queue: ${name}`, async () => {
    await using folder = await temporaryFolder();
    const db = openDatabase(folder.path);
    const plan = planOf(db, QUERIES[name as keyof typeof QUERIES]);
    db.close();
    // Triggers follow; they are looked at below.
    for (const [index, step] of steps.entries()) assert.match(plan[index] ?? "", step, plan.join("\n"));
    assert.doesNotMatch(plan.join("\n"), /TEMP B-TREE/);
  });
}

test("costs the same in a long queue: keeping the earliest time of a destination", async () => {
  await using folder = await temporaryFolder();
  const db = openDatabase(folder.path);
  const selects = [...STEPS.join("\n").matchAll(/SELECT destination, next_attempt FROM recipient[^)]+/g)];
  assert.ok(selects.length > 0);
  for (const [sql] of selects) {
    const plan = planOf(db, sql.replace("old.destination", "?"));
    assert.deepEqual(plan, ["SEARCH recipient USING COVERING INDEX waiting (destination=?)"]);
  }
  db.close();
});
