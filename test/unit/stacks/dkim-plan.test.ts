/** What an update goes by and tells: the last one's outputs, and a look at the name servers. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { parseConfig } from "../../../stacks/check-config.ts";
import { planDkim, priorKeys, tell } from "../../../stacks/dkim/plan.ts";
import { planRotation, type RotationFacts, type RotationPlan } from "../../../stacks/dkim/rotation.ts";
import { buildModel } from "../../../stacks/model.ts";
import { START, stateOf, textOf } from "./dkim-states.ts";

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
