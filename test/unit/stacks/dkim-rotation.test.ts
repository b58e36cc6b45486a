/** What becomes of the keys, update by update. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { planRotation, type RotationFacts, type RotationPlan } from "../../../stacks/dkim/rotation.ts";
import { DAY, START, stateOf, textOf } from "./dkim-states.ts";

interface Case extends Partial<Omit<RotationFacts, "prior" | "now">> {
  readonly name: string;
  readonly prior?: string;
  readonly wanted: number;
  /** Days after the start. */
  readonly at: number;
  readonly becomes: string;
  readonly phase: RotationPlan["phase"];
  readonly removed?: readonly number[];
  /** Keys that may not be deleted. */
  readonly guarded?: readonly number[];
}

const CASES: readonly Case[] = [
  {
    name: "a new stack signs with what the config says",
    wanted: 1,
    at: 0,
    becomes: "1",
    phase: "steady",
    guarded: [1],
  },
  { name: "nothing to do", prior: "1", wanted: 1, at: 3, becomes: "1", phase: "steady", guarded: [1] },
  {
    name: "another key signs, and the old one stays",
    prior: "1",
    wanted: 2,
    at: 0,
    becomes: "2 1-7",
    phase: "overlap",
    guarded: [],
  },
  {
    name: "the same again after an update that failed",
    prior: "1",
    wanted: 2,
    at: 1,
    becomes: "2 1-8",
    phase: "overlap",
  },
  {
    name: "the stated time is the config's",
    prior: "1",
    wanted: 2,
    keepDays: 30,
    at: 0,
    becomes: "2 1-30",
    phase: "overlap",
  },
  {
    name: "the old one is there before its time is over",
    prior: "2 1-7",
    wanted: 2,
    at: 6.999,
    becomes: "2 1-7",
    phase: "overlap",
    guarded: [2],
  },
  {
    name: "and another stated time doesn't move it",
    prior: "2 1-7",
    wanted: 2,
    keepDays: 30,
    at: 1,
    becomes: "2 1-7",
    phase: "overlap",
  },
  {
    name: "it goes with the next update after that",
    prior: "2 1-7",
    wanted: 2,
    at: 7,
    becomes: "2",
    phase: "steady",
    removed: [1],
    guarded: [2],
  },
  {
    name: "but not with one that is to change nothing else",
    prior: "2 1-7",
    wanted: 2,
    tidies: false,
    at: 9,
    becomes: "2 1-7",
    phase: "overlap",
  },
  {
    name: "a rotation within a rotation",
    prior: "2 1-7",
    wanted: 3,
    at: 2,
    becomes: "3 2-9 1-7",
    phase: "overlap",
  },
  { name: "numbers may be left out", prior: "1", wanted: 7, at: 0, becomes: "7 1-7", phase: "overlap" },
  {
    name: "going back while the old one is there",
    prior: "2 1-7",
    wanted: 1,
    at: 3,
    becomes: "1 2-10",
    phase: "overlap",
  },
  {
    name: "going back needs nothing to be seen",
    prior: "2 1-7",
    wanted: 1,
    seen: false,
    at: 3,
    becomes: "1 2-10",
    phase: "overlap",
  },
  {
    name: "a record that nobody entered yet is announced",
    prior: "1",
    wanted: 2,
    seen: false,
    at: 0,
    becomes: "1 2?",
    phase: "announced",
    guarded: [1],
  },
  {
    name: "for as long as it takes",
    prior: "1 2?",
    wanted: 2,
    seen: false,
    at: 99,
    becomes: "1 2?",
    phase: "announced",
  },
  { name: "and signs when it is seen", prior: "1 2?", wanted: 2, at: 9, becomes: "2 1-16", phase: "overlap" },
  {
    name: "an announced one that is wanted no more goes",
    prior: "1 2?",
    wanted: 1,
    at: 0,
    becomes: "1",
    phase: "steady",
    removed: [2],
  },
  {
    name: "another is announced in its place",
    prior: "1 2?",
    wanted: 3,
    seen: false,
    at: 0,
    becomes: "1 3?",
    phase: "announced",
    removed: [2],
  },
  {
    name: "a retired one stays beside an announced one",
    prior: "2 1-7",
    wanted: 3,
    seen: false,
    at: 1,
    becomes: "2 3? 1-7",
    phase: "announced",
  },
  {
    name: "an Ed25519 key comes and stays with its number",
    prior: "1+e",
    wanted: 2,
    ed25519: false,
    at: 0,
    becomes: "2 1-7+e",
    phase: "overlap",
  },
  {
    name: "a number gets an Ed25519 key later",
    prior: "1",
    wanted: 1,
    ed25519: true,
    at: 0,
    becomes: "1+e",
    phase: "steady",
  },
];

describe("DKIM keys", () => {
  for (const { name, prior, at, becomes, phase, removed = [], guarded, ...given } of CASES) {
    test(name, () => {
      const plan = planRotation({
        ...{ ed25519: false, keepDays: 7, seen: true, tidies: true, ...given },
        prior: prior === undefined ? undefined : stateOf(prior),
        now: new Date(START + at * DAY),
      });
      assert.deepEqual([textOf(plan), plan.phase, plan.removed], [becomes, phase, removed]);
      if (guarded)
        assert.deepEqual(
          plan.keys.filter((key) => key.guarded).map(({ key }) => key),
          guarded,
        );
    });
  }

  test("a key that is no more is not made again under its name", () => {
    const facts = { wanted: 1, ed25519: false, keepDays: 7, seen: true, tidies: true, now: new Date(START) };
    assert.throws(
      () => planRotation({ ...facts, prior: stateOf("3 2-7") }),
      /dkim\.rotate: the key semail1 is no more.*count on, from 3 to 4/,
    );
  });

  test("a key never goes in the update in which it stops to sign, whatever the clock says", () => {
    for (let wanted = 1; wanted <= 3; wanted += 1)
      for (const at of [-400, 0, 6, 7, 400]) {
        for (const prior of ["1", "1 2?", "2 1-7", "1 2-7"]) {
          const before = stateOf(prior);
          const now = new Date(START + at * DAY);
          const facts = { wanted, ed25519: false, keepDays: 1, seen: true, tidies: true, now, prior: before };
          const signed = before.keys.find(({ role }) => role === "signs")?.key;
          try {
            assert.ok(
              planRotation(facts).keys.some(({ key }) => key === signed),
              `${prior} → ${wanted}`,
            );
          } catch (error) {
            assert.match(String(error), /is no more/);
          }
        }
      }
  });
});
