import assert from "node:assert/strict";
import { test } from "node:test";
import { cacheRecipients } from "../../../mailserver/directory/cache.ts";
import { DirectoryUnavailable, type RecipientAnswer } from "../../../mailserver/policy/recipient.ts";

const ALICE: RecipientAnswer = { kind: "box", uid: "alice", host: "box-alice" };
const ABSENT: RecipientAnswer = { kind: "absent" };

/** A directory that a test changes, with a clock that it moves. */
function setUp(entries = 10) {
  const state = { now: 0, answer: ALICE as RecipientAnswer | "down", asked: 0 };
  const resolve = cacheRecipients(
    async () => {
      state.asked += 1;
      if (state.answer === "down") throw new DirectoryUnavailable("down");
      return state.answer;
    },
    { now: () => state.now, entries },
  );
  return { state, resolve };
}

const cases: Readonly<Record<string, { before: RecipientAnswer; after: RecipientAnswer; known: number }>> = {
  "a person who moves is known within five seconds": {
    before: ALICE,
    after: { ...ALICE, host: "box-2" },
    known: 5_000,
  },
  "a person who goes is known within five seconds": { before: ALICE, after: ABSENT, known: 5_000 },
  "a person who comes is known within one second": { before: ABSENT, after: ALICE, known: 1_000 },
};
for (const [name, { before, after, known }] of Object.entries(cases)) {
  test(name, async () => {
    const { state, resolve } = setUp();
    state.answer = before;
    assert.deepEqual(await resolve("a"), before);
    state.answer = after;
    state.now = known - 1;
    assert.deepEqual(await resolve("a"), before);
    assert.equal(state.asked, 1);
    state.now = known;
    assert.deepEqual(await resolve("a"), after);
    assert.equal(state.asked, 2);
  });
}

test("that the directory can't be asked is never remembered, and never covers an older answer's end", async () => {
  const { state, resolve } = setUp();
  state.answer = "down";
  await assert.rejects(resolve("a"), DirectoryUnavailable);
  state.answer = ALICE;
  assert.deepEqual(await resolve("a"), ALICE);
  state.answer = "down";
  assert.deepEqual(await resolve("a"), ALICE);
  state.now = 5_000;
  await assert.rejects(resolve("a"), DirectoryUnavailable);
});

test("those who ask the same at the same time ask once", async () => {
  const { state, resolve } = setUp();
  await Promise.all([resolve("a"), resolve("a"), resolve("a")]);
  assert.equal(state.asked, 1);
  await resolve("b");
  assert.equal(state.asked, 2);
});

test("guessed addresses push the oldest out and no more is kept", async () => {
  const { state, resolve } = setUp(2);
  for (const address of ["a", "b", "c"]) await resolve(address);
  await resolve("c");
  assert.equal(state.asked, 3);
  await resolve("a");
  assert.equal(state.asked, 4);
});
