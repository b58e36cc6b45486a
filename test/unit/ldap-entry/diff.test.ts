import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  type Attributes,
  compare,
  type Modification,
  managed,
  modifications,
} from "../../../components/providers/ldap-entry/diff.ts";
import { childDn, isDn, normaliseDn, parentDn } from "../../../components/providers/ldap-entry/dn.ts";
import { UNKNOWN } from "../../../components/providers/validate.ts";

const DN = "uid=alice,ou=people,dc=example,dc=org";

/** What a server makes of an entry's attributes by the changes. */
function apply(actual: Attributes, changes: readonly Modification[]): Map<string, Set<string>> {
  const state = new Map(Object.entries(actual).map(([name, list]) => [name, new Set(list)]));
  for (const { operation, type, values } of changes) {
    const kept = operation === "replace" ? [] : [...(state.get(type) ?? [])];
    const next =
      operation === "delete" ? kept.filter((value) => !values.includes(value)) : [...kept, ...values];
    state.set(type, new Set(next));
  }
  return state;
}

describe("the smallest modify", () => {
  const cases: Record<string, { actual: Attributes; wanted: Attributes; changes: string[] }> = {
    "is none when nothing differs": {
      actual: { cn: ["A"], mail: ["a@x", "b@x"] },
      wanted: { cn: ["A"], mail: ["b@x", "a@x"] },
      changes: [],
    },
    "ignores the case of attribute names": { actual: { CN: ["A"] }, wanted: { cn: ["A"] }, changes: [] },
    "replaces a single value": { actual: { cn: ["A"] }, wanted: { cn: ["B"] }, changes: ["replace cn B"] },
    "adds one value of many": {
      actual: { mail: ["a", "b"] },
      wanted: { mail: ["a", "b", "c"] },
      changes: ["add mail c"],
    },
    "adds before it deletes, so that the attribute never runs empty": {
      actual: { mail: ["a", "b"] },
      wanted: { mail: ["c"] },
      changes: ["add mail c", "delete mail a,b"],
    },
    "deletes what must not be there": {
      actual: { mailRoutingAddress: ["x@y"] },
      wanted: { mailRoutingAddress: [] },
      changes: ["delete mailRoutingAddress x@y"],
    },
    "deletes what is no longer named": { actual: { title: ["x"] }, wanted: {}, changes: ["delete title x"] },
    "leaves the naming attribute alone": {
      actual: { uid: ["alice"] },
      wanted: { uid: ["alicia"] },
      changes: [],
    },
  };
  for (const [name, { actual, wanted, changes }] of Object.entries(cases)) {
    it(name, () => {
      const got = modifications(DN, actual, wanted).map(
        ({ operation, type, values }) => `${operation} ${type} ${values}`,
      );
      assert.deepEqual(got, changes);
    });
  }

  it("leads from any entry to any other", () => {
    const values = fc.uniqueArray(fc.constantFrom("a", "b", "c", "d"), { maxLength: 4 });
    const entry = fc.record({ mail: values, title: values, cn: values });
    fc.assert(
      fc.property(entry, entry, (actual, wanted) => {
        const state = apply(actual, modifications(DN, actual, wanted));
        for (const [name, list] of Object.entries(wanted))
          assert.deepEqual([...(state.get(name) ?? [])].sort(), [...list].sort());
      }),
    );
  });
});

describe("the diff of an LDAP entry", () => {
  const connection = { url: "ldap://127.0.0.1:389", bindDn: "cn=admin", password: "p" };
  const props = { connection, dn: DN, attributes: { cn: ["A"] }, password: "one", managePassword: false };
  const cases: Record<string, { news: Record<string, unknown>; changes: boolean; replaces?: string[] }> = {
    "same inputs change nothing": { news: props, changes: false },
    "another password of a person changes nothing": { news: { ...props, password: "two" }, changes: false },
    "another managed password is an update": {
      news: { ...props, password: "two", managePassword: true },
      changes: true,
    },
    "another DN replaces": {
      news: { ...props, dn: "uid=bob,ou=people,dc=example,dc=org" },
      changes: true,
      replaces: ["dn"],
    },
    "the same DN spelt otherwise changes nothing": {
      news: { ...props, dn: "UID=alice, ou=people,dc=example,dc=org" },
      changes: false,
    },
    "attributes not known yet are an update": {
      news: { ...props, attributes: { cn: [UNKNOWN] } },
      changes: true,
    },
    "a rotated bind password is an update, so that delete can bind": {
      news: { ...props, connection: { ...connection, password: "q" } },
      changes: true,
    },
  };
  for (const [name, { news, changes, replaces }] of Object.entries(cases)) {
    it(name, () => {
      const result = compare(props, news);
      assert.equal(result.changes, changes);
      assert.deepEqual(result.replaces, replaces ?? []);
    });
  }

  it("makes another holder's entry anew, after the old one is gone, and nobody's who stays", () => {
    const second = { ...props, holder: "alice_2" };
    const anew = { changes: true, replaces: ["holder"], deleteBeforeReplace: true };
    assert.deepEqual(compare(props, second), anew);
    assert.deepEqual(compare(second, { ...props, holder: "alice_3" }), anew);
    assert.equal(compare(second, second).changes, false);
  });

  it("sees a value set by hand in an attribute that must be empty", () => {
    const wanted = { mailRoutingAddress: [] };
    const seen = managed(wanted, { mailroutingaddress: ["thief@example.net"], title: ["unmanaged"] });
    assert.deepEqual(seen, { mailRoutingAddress: ["thief@example.net"] });
    assert.equal(compare({ ...props, attributes: seen }, { ...props, attributes: wanted }).changes, true);
  });
});

describe("distinguished names", () => {
  const escapes: [string, string][] = [
    ["alice", "uid=alice,dc=x"],
    ["a,b", "uid=a\\,b,dc=x"],
    ["a=b+c", "uid=a\\=b\\+c,dc=x"],
    ["#a", "uid=\\#a,dc=x"],
    [" a ", "uid=\\ a\\ ,dc=x"],
    ['a"b\\c', 'uid=a\\"b\\\\c,dc=x'],
    ["a\0b", "uid=a\\00b,dc=x"],
  ];
  for (const [value, dn] of escapes) {
    it(`escape ${JSON.stringify(value)}`, () => {
      assert.equal(childDn("uid", value, "dc=x"), dn);
      assert.ok(isDn(dn));
    });
  }
  it("compare without case and blanks", () =>
    assert.equal(normaliseDn("UID=Alice, DC=x"), normaliseDn("uid=alice,dc=X")));
});

it("the parent of a DN is what its child was made below, whatever signs the child has", () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1, unit: "binary" }), (value) => {
      assert.equal(parentDn(childDn("uid", value, "ou=people,dc=example")), "ou=people,dc=example");
    }),
  );
});
