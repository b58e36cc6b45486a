import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { describeProblems, parseConfig } from "../../../stacks/check-config.ts";
import { chooseMailbox, mailboxId, parseMailboxId } from "../../../stacks/mailbox-id.ts";
import {
  Mailboxes,
  type MailboxFacts,
  type MailboxRecord,
  planMailboxes,
  TAKEOVER,
  tellMailboxes,
} from "../../../stacks/mailboxes/plan.ts";

const TODAY = "2026-02-01";
const alice = { name: "Alice Martin" };
const deleted = { ...alice, state: "deleted", deletedOn: TODAY };

const used = (id: string, more: Partial<MailboxRecord> = {}): MailboxRecord => {
  const { uid } = parseMailboxId(id);
  return { id, uid, name: "Alice Martin", addresses: [`${uid}@example.org`], left: false, ...more };
};
const kept = (id: string, until: string, more: Partial<MailboxRecord> = {}) =>
  used(id, { since: "2026-01-15", until, left: true, ...more });

interface Given extends Partial<MailboxFacts> {
  users?: Record<string, unknown>;
  /** Other keys of the stack. */
  keys?: Record<string, unknown>;
}

function plan({ users = {}, keys = {}, ...facts }: Given) {
  const { config, problems } = parseConfig({ domain: "example.org", users, ...keys });
  assert.ok(config && problems.length === 0, JSON.stringify(problems));
  return planMailboxes({ config, prior: [], today: TODAY, tidies: true, ...facts });
}

/** One word for each mailbox. */
function fates(given: Given): Record<string, string> {
  const planned = plan(given);
  assert.ok(!("problems" in planned), JSON.stringify(planned));
  // What is told to the next update can be read by it.
  const told = [...planned.inUse, ...planned.kept];
  assert.deepEqual(Mailboxes.parse(JSON.parse(JSON.stringify(told))), told);
  return Object.fromEntries([
    ...planned.inUse.map(({ id }) => [id, "in use"]),
    ...planned.kept.map(({ id, until, left }) => [id, `kept until ${until}${left ? ", left" : ""}`]),
    ...planned.discarded.map(({ id }) => [id, "discarded"]),
  ]);
}

const allowed: Record<string, Given & { wanted: Record<string, string> }> = {
  "is in use, on a first update": { users: { alice }, prior: undefined, wanted: { alice: "in use" } },
  "is kept when its person gives it up": {
    users: { alice: deleted },
    prior: [used("alice")],
    wanted: { alice: "kept until 2026-03-03" },
  },
  "is kept for as long as the stack says": {
    users: { alice: deleted },
    keys: { retention: 1 },
    prior: [used("alice")],
    wanted: { alice: "kept until 2026-02-02" },
  },
  "is kept by an update that is the first to keep account": {
    users: { alice: { ...deleted, deletedOn: "2025-01-01" } },
    prior: undefined,
    wanted: { alice: "kept until 2026-03-03" },
  },
  "is kept from the update on that gave it up, whatever earlier day the config has": {
    users: { alice: { ...deleted, deletedOn: "2025-01-01" } },
    prior: [used("alice")],
    wanted: { alice: "kept until 2026-03-03" },
  },
  "is kept from the config's day on, where that is yet to come": {
    users: { alice: { ...deleted, deletedOn: "2026-02-10" } },
    prior: [used("alice")],
    wanted: { alice: "kept until 2026-03-12" },
  },
  "is kept for good where the day never comes": {
    users: { alice: { ...deleted, deletedOn: "9999-12-31" } },
    prior: [kept("alice", "2026-02-14", { left: false })],
    wanted: { alice: "kept until 9999-12-31" },
  },
  "is kept when its person leaves after that, for no longer": {
    prior: [kept("alice", "2026-02-14", { left: false })],
    wanted: { alice: "kept until 2026-02-14, left" },
  },
  "is kept when its person is to have none": {
    users: { alice: { ...alice, state: "none" } },
    prior: [used("alice")],
    wanted: { alice: "kept until 2026-03-03" },
  },
  "is kept when its person leaves at once, where nothing is protected": {
    keys: { protect: false },
    prior: [used("alice")],
    wanted: { alice: "kept until 2026-03-03, left" },
  },
  "is kept on the last day of its time": {
    today: "2026-02-14",
    prior: [kept("alice", "2026-02-14")],
    wanted: { alice: "kept until 2026-02-14, left" },
  },
  "goes on the day after": {
    today: "2026-02-15",
    prior: [kept("alice", "2026-02-14")],
    wanted: { alice: "discarded" },
  },
  "goes when its time is over although its person is there, and does not come again": {
    today: "2026-02-15",
    users: { alice: { ...deleted, deletedOn: "2026-01-15" } },
    prior: [kept("alice", "2026-02-14", { left: false })],
    wanted: { alice: "discarded" },
  },
  "that has gone is no more, though its person is there": {
    users: { alice: deleted },
    prior: [],
    wanted: {},
  },
  "stays that of who left when somebody without a mailbox gets the uid": {
    users: { alice: { name: "Another Alice", state: "none" } },
    prior: [kept("alice", "2026-02-14")],
    wanted: { alice: "kept until 2026-02-14, left" },
  },
  "stays in an update that is to change nothing else": {
    today: "2026-02-15",
    tidies: false,
    prior: [kept("alice", "2026-02-14")],
    wanted: { alice: "kept until 2026-02-14, left" },
  },
  "is kept by one update where there is no retention": {
    users: { alice: deleted },
    keys: { retention: 0 },
    prior: [used("alice")],
    wanted: { alice: `kept until ${TODAY}` },
  },
  "goes with the next one": {
    users: { alice: deleted },
    keys: { retention: 0 },
    prior: [kept("alice", TODAY, { since: TODAY })],
    wanted: { alice: "discarded" },
  },
  "is kept for longer when the stack says so meanwhile": {
    keys: { retention: 60 },
    today: "2026-02-20",
    prior: [kept("alice", "2026-02-14")],
    wanted: { alice: "kept until 2026-03-16, left" },
  },
  "is in use again when its person takes it back": {
    users: { alice },
    prior: [kept("alice", "2026-02-14", { left: false })],
    wanted: { alice: "in use" },
  },
  "is never thrown away when it is taken back after its time": {
    today: "2026-02-20",
    users: { alice },
    prior: [kept("alice", "2026-02-14", { left: false })],
    wanted: { alice: "in use" },
  },
  "is had again by who comes back and says so": {
    users: { alice: { ...alice, restore: true } },
    prior: [kept("alice", "2026-02-14")],
    wanted: { alice: "in use" },
  },
  "stays kept beside that of another person with the uid": {
    users: { alice: { name: "Another Alice", mailbox: 2 } },
    prior: [kept("alice", "2026-02-14")],
    wanted: { alice_2: "in use", alice: "kept until 2026-02-14, left" },
  },
  "goes beside that of another person with the uid": {
    today: "2026-02-15",
    users: { alice: { name: "Another Alice", mailbox: 2 } },
    prior: [kept("alice", "2026-02-14"), used("alice_2")],
    wanted: { alice_2: "in use", alice: "discarded" },
  },
  "stays kept when somebody is given its address": {
    users: { bob: { name: "Bob", aliases: ["alice@example.org"], reuse: true } },
    prior: [kept("alice", "2026-02-14")],
    wanted: { bob: "in use", alice: "kept until 2026-02-14, left" },
  },
};

describe("the mail of a mailbox", () => {
  for (const [name, { wanted, ...given }] of Object.entries(allowed))
    it(name, () => assert.deepEqual(fates(given), wanted));
});

const refused: Record<string, Given & { path: string; message: RegExp }> = {
  "a person with a mailbox who is no longer there, where that is protected": {
    prior: [used("alice")],
    path: "users.alice",
    message: /first set `state: deleted`/,
  },
  "another mailbox for a person who has one, where that is protected": {
    users: { alice: { ...alice, mailbox: 2 } },
    prior: [used("alice")],
    path: "users.alice",
    message: /would get another mailbox in place of alice: first set/,
  },
  "somebody under a uid whose mail is kept": {
    users: { alice: { name: "Another Alice" } },
    prior: [kept("alice", "2026-02-14")],
    path: "users.alice",
    message: /is kept until 2026-02-14\..*`restore: true`.*`mailbox: 2`/,
  },
  "somebody under a uid whose mail should have gone": {
    today: "2026-02-20",
    users: { alice },
    prior: [kept("alice", "2026-02-14")],
    path: "users.alice",
    message: /`mailbox: 2`/,
  },
  "an earlier mailbox of a uid than the one that is kept": {
    users: { alice },
    prior: [kept("alice_2", "2026-02-14")],
    path: "users.alice",
    message: /earlier alice_2 is kept.*`mailbox: 3`/,
  },
  "the address of somebody whose mail is kept": {
    users: { bob: { name: "Bob", aliases: ["alice@example.org"] } },
    prior: [kept("alice", "2026-02-14")],
    path: "users.bob",
    message: /alice@example\.org was alice's, whose mail is kept until 2026-02-14: with `reuse: true`/,
  },
};

describe("an update refuses", () => {
  for (const [name, { path, message, ...given }] of Object.entries(refused))
    it(name, () => {
      const planned = plan(given);
      assert.ok("problems" in planned, JSON.stringify(planned));
      assert.deepEqual(
        planned.problems.map((problem) => problem.path),
        [path],
      );
      assert.match(planned.problems[0]?.message ?? "", message);
      // How the operator tells that a person asks for what an administrator has to say.
      assert.equal(
        TAKEOVER.test(describeProblems("Pulumi.t.yaml", planned.problems)),
        !/first set/.test(planned.problems[0]?.message ?? ""),
      );
      // Longer ones are cut where they are told.
      assert.ok((planned.problems[0]?.message.length ?? 0) <= 200, planned.problems[0]?.message);
    });

  it("with everything that stands in the way at once", () => {
    const users = { alice, bob: { name: "Bob", addresses: ["carol@example.org"] } };
    const planned = plan({
      users,
      prior: [kept("alice", "2026-02-14"), kept("carol", "2026-02-14"), used("dora")],
    });
    assert.ok("problems" in planned);
    assert.deepEqual(
      planned.problems.map(({ path }) => path),
      ["users.dora", "users.alice", "users.bob"],
    );
  });
});

it("an update tells what is kept, had again and thrown away by it, once", () => {
  const told = (given: Given & { prior: MailboxRecord[] }) => {
    const planned = plan(given);
    assert.ok(!("problems" in planned));
    return tellMailboxes(planned, given.prior);
  };
  const prior = [
    used("alice"),
    kept("bob", "2026-02-14", { left: false }),
    kept("carol", "2026-01-31", { since: "2026-01-01" }),
  ];
  assert.deepEqual(told({ users: { alice: deleted, bob: { name: "Bob" } }, prior }), [
    "the mail of alice is kept until 2026-03-03",
    "bob has the mail again that was kept",
    "the mail of carol, kept until 2026-01-31, goes with this update",
  ]);
  assert.deepEqual(told({ prior: [kept("bob", "2026-02-14")] }), []);
});

describe("the id of a mailbox", () => {
  for (const [uid, number, id] of [
    ["alice", 1, "alice"],
    ["alice", 2, "alice_2"],
    ["alice-2", 1, "alice-2"],
    ["a.b", 9_999, "a.b_9999"],
  ] as const)
    it(`of ${uid}, number ${number}, is ${id}`, () => {
      assert.equal(mailboxId(uid, number), id);
      assert.deepEqual(parseMailboxId(id), { uid, number });
    });

  for (const [wanted, ids, id] of [
    ["alice", ["alice", "bob"], "alice"],
    ["alice", ["alice", "alice_2", "alice_10", "alicea_11"], "alice_10"],
    ["alice_2", ["alice", "alice_2", "alice_3"], "alice_2"],
    ["alice_1", ["alice", "alice_2"], "alice"],
    ["alice", [], "alice"],
  ] as const)
    it(`that ${wanted} means among ${ids.join(", ") || "none"} is ${id}`, () =>
      assert.equal(chooseMailbox(wanted, ids), id));
});
