import assert from "node:assert/strict";
import { test } from "node:test";
import { compare, UNKNOWN, validate } from "../../../sdks/gandi/diff.ts";

const args = { zone: "example.org", name: "@", type: "MX", values: ["10 mail"] };

test("names are written in one way, defaults filled in", () => {
  const { inputs, failures } = validate({
    ...args,
    zone: "Example.Org.",
    name: "WWW",
    type: "mx",
    __provider: "code",
  });
  assert.deepEqual(failures, []);
  assert.deepEqual(inputs, {
    zone: "example.org",
    name: "www",
    type: "MX",
    ttl: 10_800,
    values: ["10 mail"],
    adoptExisting: false,
    snapshot: true,
    auth: {},
  });
});

for (const name of ["@", "*", "*.sub", "_dmarc", "sel._domainkey", "a-b", "xn--bcher-kva"]) {
  test(`a name that a zone can hold: ${name}`, () =>
    assert.deepEqual(validate({ ...args, name }).failures, []));
}

const bad = [
  {
    name: "zone missing",
    props: { zone: undefined },
    property: "zone",
    reason: /MX record @ of \?: zone must be a domain name/,
  },
  { name: "zone without a dot", props: { zone: "org" }, property: "zone", reason: /domain name/ },
  {
    name: "absolute name",
    props: { name: "mail.example.org." },
    property: "name",
    reason: /MX record mail\.example\.org\. of example\.org: name must be relative.*write "mail"/,
  },
  { name: "the zone's own name", props: { name: "example.org" }, property: "name", reason: /write "@"/ },
  { name: "empty name", props: { name: "" }, property: "name", reason: /"@" for the zone itself/ },
  { name: "a label too long", props: { name: "x".repeat(64) }, property: "name", reason: /no name/ },
  {
    name: "labels too many",
    props: { name: `${"x.".repeat(121)}x` },
    property: "name",
    reason: /253 characters/,
  },
  { name: "a space in a name", props: { name: "a b" }, property: "name", reason: /no name/ },
  { name: "unknown type", props: { type: "SOA" }, property: "type", reason: /no type "SOA"/ },
  { name: "TTL too low", props: { ttl: 299 }, property: "ttl", reason: /from 300 to 2592000/ },
  { name: "TTL too high", props: { ttl: 2_592_001 }, property: "ttl", reason: /from 300 to 2592000/ },
  { name: "no values", props: { values: [] }, property: "values", reason: /at least one/ },
  {
    name: "a value twice",
    props: { values: ["10 mail", "10 MAIL.example.org."] },
    property: "values",
    reason: /twice/,
  },
  { name: "a bad value", props: { values: ["10"] }, property: "values", reason: /PREFERENCE HOST/ },
  {
    name: "CNAME at the zone itself",
    props: { type: "CNAME", values: ["a"] },
    property: "values",
    reason: /use ALIAS/,
  },
  {
    name: "two CNAMEs",
    props: { name: "x", type: "CNAME", values: ["a", "b"] },
    property: "values",
    reason: /one value/,
  },
  {
    name: "a token that is no text",
    props: { auth: { token: 1 } },
    property: "auth",
    reason: /token must be a string/,
  },
  { name: "an argument that is none", props: { value: "x" }, property: "value", reason: /no argument/ },
];
for (const { name, props, property, reason } of bad) {
  test(`check refuses: ${name}`, () => {
    const { failures } = validate({ ...args, ...props });
    assert.deepEqual(
      failures.map((f) => f.property),
      [property],
    );
    assert.match(failures[0]?.reason ?? "", reason);
  });
}

for (const property of ["zone", "name", "type", "values", "ttl", "auth"]) {
  test(`check lets pass what is not known yet: ${property}`, () => {
    const { inputs, failures } = validate({ ...args, [property]: UNKNOWN });
    assert.deepEqual(failures, []);
    assert.equal(inputs[property], UNKNOWN);
  });
}

test("check lets a list pass of which one value is not known yet", () => {
  assert.deepEqual(validate({ ...args, values: ["10 mail", UNKNOWN] }).failures, []);
  assert.deepEqual(validate({ ...args, auth: { apiUrl: UNKNOWN } }).failures, []);
});

const olds = validate({ ...args, auth: { apiUrl: "https://a.example", token: "t" } }).inputs;
const changes = [
  { name: "nothing", props: {}, changes: false, replaces: [] },
  {
    name: "the spelling of a value",
    props: { values: ["10 mail.example.org."] },
    changes: false,
    replaces: [],
  },
  {
    name: "the order of credentials",
    props: { auth: { token: "t", apiUrl: "https://a.example" } },
    changes: false,
    replaces: [],
  },
  { name: "adoptExisting", props: { adoptExisting: true }, changes: false, replaces: [] },
  { name: "a value", props: { values: ["20 mail"] }, changes: true, replaces: [] },
  { name: "values not known yet", props: { values: UNKNOWN }, changes: true, replaces: [] },
  { name: "ttl", props: { ttl: 300 }, changes: true, replaces: [] },
  {
    name: "the token",
    props: { auth: { apiUrl: "https://a.example", token: "new" } },
    changes: true,
    replaces: [],
  },
  { name: "the zone", props: { zone: "example.net" }, changes: true, replaces: ["zone"] },
  { name: "the name", props: { name: "x" }, changes: true, replaces: ["name"] },
  { name: "the type", props: { type: "TXT" }, changes: true, replaces: ["type"] },
];
for (const { name, props, ...wanted } of changes) {
  test(`diff: ${name}`, () => {
    assert.deepEqual(compare(olds, { ...olds, ...props }), { ...wanted, deleteBeforeReplace: false });
  });
}

const declarations: [name: string, declared: unknown, changes: boolean][] = [
  ["found in the zone what is asked for now: what a deletion takes out is recorded", ["20 old"], true],
  ["asked for before, in another spelling", ["10 MAIL.Example.ORG."], false],
  ["nothing recorded, by an older version", undefined, false],
];
for (const [name, declared, changes] of declarations) {
  test(`diff: ${name}`, () => assert.equal(compare({ ...olds, declared }, olds).changes, changes));
}

test("a CNAME goes before another type comes, and the other way round", () => {
  const cname = { ...olds, name: "x", type: "CNAME", values: ["a"] };
  const a = { ...olds, name: "x", type: "A", values: ["192.0.2.1"] };
  assert.equal(compare(cname, a).deleteBeforeReplace, true);
  assert.equal(compare(a, cname).deleteBeforeReplace, true);
  assert.equal(compare(cname, { ...a, name: "y" }).deleteBeforeReplace, false);
});
