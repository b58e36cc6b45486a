import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { parseConfig } from "../../../stacks/check-config.ts";
import { planDkim, priorKeys, tell } from "../../../stacks/dkim/plan.ts";
import {
  DkimState,
  planRotation,
  type RotationFacts,
  type RotationPlan,
} from "../../../stacks/dkim/rotation.ts";
import { buildModel } from "../../../stacks/model.ts";

const DAY = 86_400_000;
const START = Date.parse("2026-11-01T00:00:00.000Z");
const day = (days: number): string => new Date(START + days * DAY).toISOString();

/** `1` signs, `2?` is announced, `3-8` is retired until day 8; `+e` has an Ed25519 key, too. */
function stateOf(text: string): DkimState {
  const keys = text.split(" ").map((word) => {
    const [, key, mark, until, e] = /^(\d+)(\?|-(\d+))?(\+e)?$/.exec(word) ?? assert.fail(word);
    const role = mark === undefined ? "signs" : mark === "?" ? "announced" : "retired";
    return {
      ...{ key: Number(key), role, ed25519: e !== undefined, records: [] },
      ...(until === undefined ? {} : { until: day(Number(until)) }),
    };
  });
  return DkimState.parse({ phase: "steady", selector: "semail1", keys });
}

const textOf = ({ keys }: Pick<RotationPlan, "keys">): string =>
  keys
    .map(({ key, role, until = "", ed25519 }) => {
      const days = (Date.parse(until) - START) / DAY;
      return `${key}${role === "announced" ? "?" : role === "retired" ? `-${days}` : ""}${ed25519 ? "+e" : ""}`;
    })
    .join(" ");

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

describe("what the last update left", () => {
  test("is nothing before the first", () => assert.equal(priorKeys({}), undefined));
  test("is the first key in a stack that was made before keys could be rotated", () => {
    const signing = [{ selector: "semail1" }, { selector: "semail1-ed25519" }];
    assert.equal(textOf(planOf({ summary: { signing } })), "1+e");
  });
  test("is what the output says", () =>
    assert.deepEqual(priorKeys({ dkim: stateOf("2 1-7") }), stateOf("2 1-7")));
  test("is not guessed at", () => {
    assert.throws(() => priorKeys({ dkim: { keys: [] } }), /output "dkim" can't be read/);
    assert.throws(() => priorKeys({ dkim: { ...stateOf("1"), keys: [] } }), /one key signs/);
  });
});

function planOf(outputs: Record<string, unknown>): RotationPlan {
  const state = priorKeys(outputs) ?? assert.fail();
  return {
    phase: state.phase,
    keys: state.keys.map((key) => ({ ...key, guarded: false })) as never,
    removed: [],
  };
}

describe("what is told", () => {
  const told = (prior: string, facts: Partial<RotationFacts>) => {
    const state = stateOf(prior);
    const all = {
      wanted: 1,
      ed25519: false,
      keepDays: 7,
      seen: true,
      tidies: true,
      now: new Date(START),
      ...facts,
    };
    return tell(planRotation({ ...all, prior: state }), state).join("; ");
  };
  for (const [name, prior, facts, text] of [
    ["nothing when nothing happens", "1", {}, /^$/],
    [
      "the switch",
      "1",
      { wanted: 2 },
      /^semail2 is published, and signs as soon as.*; semail1 signs no more; its record stays until 2026-11-08T/,
    ],
    [
      "what is to be entered",
      "1",
      { wanted: 2, seen: false },
      /^semail1 signs until the records of semail2 are seen/,
    ],
    ["the end", "2 1-0", { wanted: 2 }, /^the record of semail1 goes with this update$/],
  ] as const) {
    test(name, () => assert.match(told(prior, facts), text));
  }
});

describe("where records are entered by hand", () => {
  const announced = { ...stateOf("1 2?"), phase: "announced" } as const;
  const records = [{ zone: "a.test", name: "semail2._domainkey", value: "v=DKIM1; k=rsa; p=AAAA" }];
  const keys = announced.keys.map((key) => (key.key === 2 ? { ...key, records } : key));
  const plan = (entered: boolean, given: { patience?: number; tidies?: boolean } = {}) => {
    const config = parseConfig({
      domain: "a.test",
      users: {},
      dkim: { rotate: 2, ...(given.patience === undefined ? {} : { patience: given.patience }) },
    }).config;
    const model = buildModel(config ?? assert.fail(), { project: "semail", stack: "prod" });
    const args = {
      outputs: { dkim: { ...announced, keys } },
      tidies: given.tidies ?? true,
      now: () => new Date(START),
    };
    return planDkim(model, args, async (record) => {
      assert.deepEqual(record, records[0]);
      return entered;
    });
  };
  before(() => pulumi.runtime.setMocks({ newResource: () => ({ id: "", state: {} }), call: () => ({}) }));

  for (const [name, given, becomes] of [
    ["mail is signed as before until they are seen", { entered: false }, "1 2?"],
    ["the new key signs when they are", { entered: true }, "2 1-7"],
    ["but not by an update that is to change nothing else", { entered: true, tidies: false }, "1 2?"],
    ["nobody looks where nobody shall", { entered: false, patience: 0 }, "2 1-7"],
  ] as const)
    test(name, async () => {
      const { entered, ...rest } = given;
      assert.equal(textOf(await plan(entered, rest)), becomes);
    });
});
