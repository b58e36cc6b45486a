import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { PersonRequest } from "../../../mailserver/operator/protocol.ts";
import { decide, requireOnlyTheirs, viewAddress, viewPerson } from "../../../operator/decide.ts";
import { Refusal } from "../../../operator/refusal.ts";
import { parseConfig } from "../../../stacks/check-config.ts";
import type { StackConfig } from "../../../stacks/schema.ts";

const users = {
  alice: { name: "Alice Martin", aliases: ["a@example.org"] },
  bob: { name: "Bob", state: "none" },
  carol: { name: "Carol", state: "deleted", deletedOn: "2026-01-01" },
  dora: { name: "Dora", state: "none" },
  erin: { name: "Erin", aliases: ["e1@example.org", "e2@example.org", "e3@example.org"] },
};

function configOf(raw: Record<string, unknown> = {}): StackConfig {
  const { config, problems } = parseConfig({
    domain: "example.org",
    portal: { aliasLimit: 2 },
    users,
    ...raw,
  });
  assert.ok(config && problems.length === 0, JSON.stringify(problems));
  return config;
}
const on = (today: string, raw?: Record<string, unknown>) => ({ config: configOf(raw), today });
const facts = on("2026-01-15");

/** Two people whom an administrator gave such names. */
const pair = on("2026-01-15", {
  smtpIn: { tagSeparator: "-" },
  users: { mary: { name: "Mary", state: "none" }, "mary-ann": { name: "Mary Ann" }, zoe: { name: "Zoe" } },
});

const granted: { name: string; request: PersonRequest; edit: unknown; facts?: typeof facts }[] = [
  {
    name: "their own login name, of which another's is a tagged form",
    request: { kind: "create", uid: "mary", address: "mary@example.org" },
    edit: { state: undefined, addresses: undefined },
    facts: pair,
  },
  {
    name: "an address that only begins as another's",
    request: { kind: "update", uid: "zoe", aliases: ["mar@example.org", "ary-a@example.org"] },
    edit: { aliases: ["mar@example.org", "ary-a@example.org"] },
    facts: pair,
  },
  {
    name: "an address as which another's only begins",
    request: { kind: "update", uid: "zoe", aliases: ["marya@example.org"] },
    edit: { aliases: ["marya@example.org"] },
    facts: pair,
  },
  {
    name: "what would be a tagged form, where there are none",
    request: { kind: "update", uid: "zoe", aliases: ["mary-shop@example.org", "mary2@example.org"] },
    edit: { aliases: ["mary-shop@example.org", "mary2@example.org"] },
    facts: on("2026-01-15", {
      smtpIn: { tagSeparator: "" },
      users: { mary: { name: "Mary" }, zoe: { name: "Zoe" } },
    }),
  },
  {
    name: "a tagged form of their own address",
    request: { kind: "update", uid: "zoe", aliases: ["zoe-shop@example.org"] },
    edit: { aliases: ["zoe-shop@example.org"] },
    facts: pair,
  },
  {
    name: "a mailbox with the address of the uid",
    request: { kind: "create", uid: "bob", address: "bob@example.org" },
    edit: { state: undefined, addresses: undefined },
  },
  {
    name: "a mailbox with another address",
    request: { kind: "create", uid: "bob", address: "robert@example.org" },
    edit: { state: undefined, addresses: ["robert@example.org"] },
  },
  {
    name: "another alias instead of the old one",
    request: { kind: "update", uid: "alice", aliases: ["am@example.org"] },
    edit: { aliases: ["am@example.org"] },
  },
  {
    name: "fewer aliases to who was given more than the limit",
    request: { kind: "update", uid: "erin", aliases: ["e1@example.org", "e2@example.org", "e3@example.org"] },
    edit: { aliases: ["e1@example.org", "e2@example.org", "e3@example.org"] },
  },
  ...["carol@example.com", "carol+home@example.com", "erin@example.org", "e1@example.org"].map((forward) => ({
    name: `a forward to ${forward}`,
    request: { kind: "update", uid: "alice", forward } as const,
    edit: { forward },
  })),
  {
    name: "no forward",
    request: { kind: "update", uid: "alice", forward: null },
    edit: { forward: undefined },
  },
  {
    name: "the end of a mailbox, with the day",
    request: { kind: "delete", uid: "alice" },
    edit: { state: "deleted", deletedOn: "2026-01-15" },
  },
  {
    name: "a mailbox back that was given up",
    request: { kind: "cancel-delete", uid: "carol" },
    edit: { state: undefined, deletedOn: undefined },
  },
  { name: "a restart, which edits nothing", request: { kind: "restart", uid: "alice" }, edit: {} },
];

const denied: { name: string; request: PersonRequest; code: string; facts?: typeof facts }[] = [
  { name: "somebody who isn't there", request: { kind: "delete", uid: "mallory" }, code: "unknown-person" },
  {
    name: "a property of every object",
    request: { kind: "delete", uid: "constructor" },
    code: "unknown-person",
  },
  {
    name: "a second mailbox",
    request: { kind: "create", uid: "alice", address: "x@example.org" },
    code: "wrong-state",
  },
  {
    name: "somebody's address",
    request: { kind: "create", uid: "bob", address: "a@example.org" },
    code: "address-taken",
  },
  {
    name: "the address of a mailbox that was given up",
    request: { kind: "create", uid: "bob", address: "carol@example.org" },
    code: "address-taken",
  },
  {
    name: "the login name of somebody who has no mailbox yet",
    request: { kind: "create", uid: "bob", address: "dora@example.org" },
    code: "address-taken",
  },
  {
    name: "a role's address",
    request: { kind: "update", uid: "alice", aliases: ["abuse@example.org"] },
    code: "address-taken",
  },
  ...[..."-._="].flatMap((tagSeparator) => {
    const named = (text: string) => text.replaceAll("-", tagSeparator);
    const more = { ...users, hugo: { name: "Hugo", aliases: [`${named("mary-ann")}@example.org`] } };
    const forms = {
      "a tagged form of somebody's address": "alice-shop",
      "a tagged form of it with more in it": "mary-ann-shop",
      "a tagged form of the login name of who has no mailbox yet": "dora-shop",
      "a tagged form of the address of a mailbox that was given up": "carol-shop",
      "an address of which somebody's is a tagged form": "mary",
    };
    return Object.entries(forms).map(([name, local]) => ({
      name: `${name}, by ${tagSeparator}`,
      request: { kind: "create", uid: "bob", address: `${named(local)}@example.org` } as const,
      facts: on("2026-01-15", { smtpIn: { tagSeparator }, users: more }),
      code: "address-taken",
    }));
  }),
  {
    name: "an address of which one that is kept is a tagged form",
    request: { kind: "create", uid: "bob", address: "mailer@example.org" },
    facts: on("2026-01-15", { smtpIn: { tagSeparator: "-" } }),
    code: "address-taken",
  },
  {
    name: "a foreign domain",
    request: { kind: "create", uid: "bob", address: "bob@example.com" },
    code: "address-taken",
  },
  {
    name: "a mailbox back where nothing is kept",
    request: { kind: "cancel-delete", uid: "carol" },
    facts: on("2026-01-01", { retention: 0 }),
    code: "wrong-state",
  },
  {
    name: "more aliases than the limit",
    request: { kind: "update", uid: "alice", aliases: ["a@example.org", "b@example.org", "c@example.org"] },
    code: "alias-limit",
  },
  {
    name: "the end of an alias to which somebody forwards their mail",
    request: { kind: "update", uid: "alice", aliases: [] },
    facts: on("2026-01-15", { users: { ...users, frank: { name: "Frank", forward: "a@example.org" } } }),
    code: "alias-forwarded-to",
  },
  ...Object.entries({
    "forward-malformed": ["a@localhost", "a@[192.0.2.1]", '"a b"@example.com', "a@ex_ample.com", "nobody"],
    // alice is the first by alphabet, so she gets the roles' mail.
    "forward-own": ["alice@example.org", "a@example.org", "postmaster@example.org", "abuse@example.org"],
    "forward-nobody": [
      ...["ghost@example.org", "alice+x@example.org", "erin+x@example.org"],
      // Without a mailbox, and without one now.
      ...["bob@example.org", "carol@example.org"],
    ],
  }).flatMap(([code, forwards]) =>
    forwards.map((forward) => ({
      name: `a forward to ${forward}`,
      request: { kind: "update", uid: "alice", forward } as const,
      code,
    })),
  ),
  {
    name: "aliases without a mailbox",
    request: { kind: "update", uid: "bob", aliases: [] },
    code: "wrong-state",
  },
  { name: "the end of no mailbox", request: { kind: "delete", uid: "bob" }, code: "wrong-state" },
  { name: "a restart of no box", request: { kind: "restart", uid: "carol" }, code: "wrong-state" },
  {
    name: "a mailbox back that was given up too long ago",
    request: { kind: "cancel-delete", uid: "carol" },
    facts: on("2026-02-01"),
    code: "wrong-state",
  },
];

describe("the operator decides", () => {
  for (const { name, request, edit, facts: own = facts } of granted)
    it(`grants ${name}`, () => assert.deepEqual(decide(own, request), edit));
  for (const { name, request, code, facts: own = facts } of denied) {
    it(`denies ${name}`, () =>
      assert.throws(
        () => decide(own, request),
        (error) => error instanceof Refusal && error.fault.code === code,
      ));
  }

  it("gives a mailbox back on the last day", () => {
    assert.equal(viewPerson(facts, "carol").keptUntil, "2026-01-31");
    decide(on("2026-01-31"), { kind: "cancel-delete", uid: "carol" });
  });

  const addresses: [address: string, reason: string | null][] = [
    ["new@example.org", null],
    ["New@Example.org", null],
    ["alice@example.org", "taken"],
    ["A@example.org", "taken"],
    ["carol@example.org", "taken"],
    ["postmaster@example.org", "reserved"],
    ["x@example.com", "foreign"],
    ["x+y@example.org", "malformed"],
    // Her own login name, and another's who has no mailbox.
    ["dora@example.org", null],
    ["bob@example.org", "taken"],
    ["", "malformed"],
  ];
  for (const [address, reason] of addresses) {
    it(`says of ${address || "nothing"}: ${reason ?? "free"}`, () =>
      assert.deepEqual(viewAddress(facts, "dora", address), { free: reason === null, reason }));
    it(`then ${reason === null ? "gives" : "refuses"} ${address || "nothing"} to who asks for it`, () => {
      const ask = () => decide(facts, { kind: "create", uid: "dora", address: address.toLowerCase() });
      if (reason === null) ask();
      else assert.throws(ask, (error) => error instanceof Refusal && error.fault.code === "address-taken");
    });
  }

  it("shows a person what is theirs", () => {
    assert.deepEqual(viewPerson(facts, "alice", { id: "f".repeat(32), kind: "restart" }), {
      ...{ uid: "alice", name: "Alice Martin", state: "active", addresses: ["alice@example.org"] },
      ...{ aliases: ["a@example.org"], aliasLimit: 2, forward: null, quota: "1GB", deletedOn: null },
      ...{ keptUntil: null, retentionDays: 30, domains: ["example.org"], pending: "f".repeat(32) },
    });
    assert.deepEqual(viewPerson(facts, "bob").addresses, []);
  });
});

describe("a config that would change more than the person", () => {
  const without = (uid: string, raw: Record<string, unknown> = {}) =>
    configOf({
      ...raw,
      users: { ...users, [uid]: { name: "Alice Martin", state: "deleted", deletedOn: "2026-01-15" } },
    });
  it("is refused: the postmaster would be another", () => {
    assert.throws(() => requireOnlyTheirs("alice", configOf(), without("alice")), /semail:postmaster/);
    const named = { postmaster: "erin" };
    requireOnlyTheirs("alice", configOf(named), without("alice", named));
  });
  it("is refused: a port would be another", () =>
    assert.throws(
      () => requireOnlyTheirs("bob", configOf(), configOf({ ports: { smtp: 26 } })),
      /the stack for others/,
    ));
});
