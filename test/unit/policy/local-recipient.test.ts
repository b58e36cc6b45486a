import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type LocalRules, localRecipient } from "../../../mailserver/policy/local-recipient.ts";
import { ownAddress } from "../../../mailserver/policy/own-address.ts";
import { makeAddress } from "../../../mailserver/smtp/address.ts";

const DOMAINS = { domains: ["one.test", "two.test"] };

describe("an address is looked up as", () => {
  const cases: Readonly<Record<string, readonly [string, Partial<LocalRules>, readonly string[]]>> = {
    "itself, in lower case": ["Alice@one.test", {}, ["alice@one.test"]],
    "itself, then without its detail": ["alice+a@one.test", {}, ["alice+a@one.test", "alice@one.test"]],
    "itself, then by the longest name, then by the shortest": [
      "mary-ann-x@one.test",
      { tagSeparator: "-" },
      ["mary-ann-x@one.test", "mary-ann@one.test", "mary@one.test"],
    ],
    "itself and two names, however many separators": [
      "a-b-c-d-e@one.test",
      { tagSeparator: "-" },
      ["a-b-c-d-e@one.test", "a-b-c-d@one.test", "a@one.test"],
    ],
    "itself alone where another separator is set": [
      "alice+a@one.test",
      { tagSeparator: "-" },
      ["alice+a@one.test"],
    ],
    "itself alone where details are off": ["alice+a@one.test", { tagSeparator: "" }, ["alice+a@one.test"]],
    "itself, then the domain's catch-all": [
      "who+a@one.test",
      { catchAll: { "one.test": "alice@one.test" } },
      ["who+a@one.test", "who@one.test", "alice@one.test"],
    ],
    "itself alone where only the other domain has one": [
      "who@two.test",
      { catchAll: { "one.test": "alice@one.test" } },
      ["who@two.test"],
    ],
    "nobody but itself, whatever dots it has": [".al..ice.@one.test", {}, [".al..ice.@one.test"]],
    "nobody else behind a name with an odd dot": [
      "alice.+x@one.test",
      {},
      ["alice.+x@one.test", "alice.@one.test"],
    ],
    "its person, whatever dots the detail has": [
      "alice+..x@one.test",
      {},
      ["alice+..x@one.test", "alice@one.test"],
    ],
    "the first domain's, without a domain": ["postmaster@", {}, ["postmaster@one.test"]],
  };
  for (const [name, [text, rules, want]] of Object.entries(cases)) {
    test(name, () => {
      const [local = "", domain = ""] = text.split("@");
      const found = localRecipient(makeAddress(local, domain), { ...DOMAINS, ...rules });
      assert.ok(found.kind === "ours");
      assert.deepEqual(found.candidates, want);
    });
  }
});

test("a sub-address is a person's own by the separator that is set", () => {
  const others = new Set<string>();
  assert.ok(ownAddress("alice+a@one.test", ["alice@one.test"], { others }));
  assert.ok(ownAddress("alice-a@one.test", ["alice@one.test"], { others, tagSeparator: "-" }));
  assert.ok(!ownAddress("alice-a@one.test", ["alice@one.test"], { others }));
  assert.ok(!ownAddress("alice+a@one.test", ["alice@one.test"], { others, tagSeparator: "" }));
});
