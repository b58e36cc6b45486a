import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { basisOf } from "../../../stacks/basis.ts";
import { parseConfig } from "../../../stacks/check-config.ts";
import { countFormer, FormerHolders, type HolderFacts } from "../../../stacks/mailboxes/former.ts";
import { settleFormer } from "../../../stacks/mailboxes/settle.ts";

const of = (uid: string, left: boolean) => ({ id: uid, uid, name: uid, addresses: [], left });

const cases: readonly (readonly [what: string, facts: Partial<HolderFacts>, wanted: FormerHolders])[] = [
  ["nobody on a first update", { uids: ["alice"] }, {}],
  ["nobody while all stay", { uids: ["alice"], before: ["alice"], prior: {} }, {}],
  [
    "who leaves, with a mailbox or without",
    { uids: ["bob"], before: ["alice", "bob"], prior: {} },
    { alice: 1 },
  ],
  ["them once, however long they are away", { before: [], prior: { alice: 1 } }, { alice: 1 }],
  [
    "no other when somebody comes under the uid",
    { uids: ["alice"], before: [], prior: { alice: 1 } },
    { alice: 1 },
  ],
  ["each who leaves again", { before: ["alice"], prior: { alice: 1 } }, { alice: 2 }],
  [
    "who left before anybody counted, and is not back",
    { uids: ["bob"], before: ["bob"], prior: undefined, mailboxes: [of("alice", true), of("bob", true)] },
    { alice: 1 },
  ],
  ["nobody twice", { before: ["alice"], prior: undefined, mailboxes: [of("alice", true)] }, { alice: 1 }],
  ["only once who left since then", { prior: {}, mailboxes: [of("alice", true)] }, {}],
  ["a uid that is also a name of the language's", { before: ["constructor"], prior: {} }, { constructor: 1 }],
];

describe("of former holders of a uid, an update counts", () => {
  for (const [what, facts, wanted] of cases)
    it(what, () => {
      const former = countFormer({ uids: [], before: [], prior: undefined, mailboxes: [], ...facts });
      assert.deepEqual({ ...former }, wanted);
      assert.deepEqual(FormerHolders.parse(JSON.parse(JSON.stringify(former))), wanted);
    });

  const configOf = (users: Record<string, unknown>) => {
    const { config } = parseConfig({ domain: "example.test", users });
    assert.ok(config);
    return config;
  };
  const alice = { name: "Alice", state: "none" };

  it("who was in the config of the update before and is no more", () => {
    const basis = { ...basisOf(configOf({ alice }), "c1"), resources: [] };
    const left = settleFormer(configOf({}), { basis, formerHolders: {} });
    assert.deepEqual(left, { alice: 1 });
    const gone = { ...basisOf(configOf({}), "c1"), resources: [] };
    assert.deepEqual(settleFormer(configOf({ alice }), { basis: gone, formerHolders: left }), left);
  });

  it("by what the update before counted, and by no guess", () => {
    const outputs = { formerHolders: { alice: "often" } };
    assert.throws(() => settleFormer(configOf({ alice }), outputs), /"formerHolders" can't be read/);
  });
});
