import assert from "node:assert/strict";
import { test } from "node:test";
import { say } from "../../../mailserver/desk/text.ts";
import { type DeskAnswer, type DeskItem, merge, NOTHING } from "../../../mailserver/desk/words.ts";

const HOUR = 3_600_000;
const answer = { code: 451, status: "4.7.1", text: "later", host: "mx.one.test" };
const item: DeskItem = {
  ...{ id: "a1", created: HOUR, size: 2_048, envelope: { from: "alice@semail.test" } },
  recipients: [
    {
      ...{ address: "bob@one.test", destination: "mx:one.test", state: "pending" },
      ...{ attempts: 2, nextAttempt: 4 * HOUR + 600_000, lastAnswer: answer },
    },
    { address: "eve@two.test", destination: "mx:two.test", state: "held", attempts: 0, nextAttempt: 0 },
  ],
  history: [{ at: HOUR, seq: 0, state: "pending", answer }],
};
const LIST = { verb: "list", limit: 100 } as const;
const NOW = 4 * HOUR;

test("a list shows who waits, since when, and why", () => {
  const counts = { items: 1, held: 1, deferred: 1, unreadable: 0, oldest: HOUR };
  assert.equal(
    say(LIST, { ...NOTHING, items: [item], counts }, NOW).out,
    `a1  2.0 KiB  3 h old  from alice@semail.test
    bob@one.test  pending, 2 attempts, next in 10 min: 451 4.7.1 later (mx.one.test)
    eve@two.test  held
1 item in all, 1 deferred, 1 held, 0 set aside, the oldest 3 h old.
`,
  );
});

test("an item is shown with every attempt", () => {
  const { out } = say({ verb: "show", ids: ["a1"] }, { ...NOTHING, items: [item], found: { a1: 0 } }, NOW);
  assert.match(out, /bob@one\.test goes to mx:one\.test/);
  assert.match(out, /1970-01-01T01:00:00\.000Z {2}bob@one\.test {2}pending: 451 4\.7\.1 later/);
});

test("what a stranger wrote does not steer the terminal", () => {
  const hostile: DeskItem = { ...item, envelope: { from: "\u001b[2Jeve\u202e@evil.test" } };
  assert.match(say(LIST, { ...NOTHING, items: [hostile] }, NOW).out, /from \?\[2Jeve\?@evil\.test/);
});

for (const id of ["constructor", "__proto__", "toString"])
  for (const verb of ["show", "retry", "hold", "release", "drop"] as const)
    test(`${verb} ${id}: there is no such item`, () => {
      const { out, err, complete } = say({ verb, ids: [id] }, merge([NOTHING, NOTHING]), NOW);
      assert.deepEqual([out, complete], ["", false]);
      assert.match(err, new RegExp(`no item ${id}`));
    });

const outcomes: readonly [string, Partial<DeskAnswer>, RegExp, RegExp, boolean][] = [
  ["hold", { found: { a1: 2 } }, /a1 is held: `queue release a1` lets it go \(2 recipients\)/, /^$/, true],
  ["retry", { found: { a1: 0 } }, /one that is held is released with `queue release a1`/, /^$/, true],
  ["drop", { found: { a1: 1 } }, /dropped: nobody is told/, /^$/, true],
  ["restore", { found: { a1: 2 } }, /a1 is back in the queue and tried now \(2 recipients\)/, /^$/, true],
  ["restore", { found: { a1: 0 } }, /nobody of it waits/, /^$/, true],
  ["restore", {}, /^$/, /No item a1 was set aside.*`queue list`/, false],
  [
    "restore",
    { found: { a1: 0 }, unreadable: { a1: ["item: it is missing", "recipient 1: no\u001b[2J"] } },
    /^$/,
    /^a1 stays aside, since it can't be read: item: it is missing; recipient 1: no\?\[2J\.\n$/,
    false,
  ],
  ["release", {}, /^$/, /no item a1.*`queue list`/, false],
  ["show", { silent: ["worker-2"] }, /^$/, /worker-2 does not answer/, false],
];
for (const [verb, found, out, err, complete] of outcomes) {
  test(`says what came of it, and what to do: ${verb} ${JSON.stringify(found)}`, () => {
    const request = { verb: verb as "hold", ids: ["a1"] };
    const said = say(request, { ...NOTHING, ...found }, NOW);
    assert.match(said.out, out);
    assert.match(said.err, err);
    assert.equal(said.complete, complete);
  });
}

test("the answers of several workers are those of one", () => {
  const later = { ...item, id: "a2", created: 2 * HOUR };
  const counts = (oldest: number) => ({ items: 1, held: 0, deferred: 1, unreadable: 2, oldest });
  const merged = merge(
    [
      { ...NOTHING, items: [later], counts: counts(2 * HOUR), found: { a2: 1 }, flushed: 3 },
      { ...NOTHING, items: [item], counts: counts(HOUR), silent: ["worker-3"], flushed: 4 },
      NOTHING,
    ],
    1,
  );
  assert.deepEqual(merged, {
    ...NOTHING,
    items: [item],
    found: { a2: 1 },
    flushed: 7,
    silent: ["worker-3"],
    counts: { items: 2, held: 0, deferred: 2, unreadable: 4, oldest: HOUR },
  });
});
