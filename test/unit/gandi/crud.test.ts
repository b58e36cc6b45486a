/** The operations against a scripted API: what is sent, and what is made of the answers. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as crud from "../../../sdks/gandi/crud.ts";
import {
  created,
  failing,
  held,
  LISTING,
  path,
  recordOf,
  scriptedLiveDns,
  token,
  unknownRecord,
  zoneOf,
} from "../../support/scripted-livedns.ts";

const api = scriptedLiveDns();

test("create posts the quoted value with the token", async () => {
  api.script = [created];
  const { id, outs } = await crud.create(api.props, api.deps);
  assert.equal(id, "example.org/@/TXT");
  assert.deepEqual(outs, { ...api.props, declared: api.props.values });
  assert.deepEqual(api.lines(), [`POST ${path}`]);
  assert.deepEqual(JSON.parse(api.requests[0]?.body ?? ""), {
    rrset_ttl: 10_800,
    rrset_values: ['"v=spf1 mx -all"'],
  });
  assert.equal(api.requests[0]?.authorization, `Bearer ${token}`);
});

for (const [what, answer] of Object.entries({
  "another value": failing(409, "A DNS Record already exists"),
  // LiveDNS has made nothing then, and says so by 200 instead of 201.
  "the same value": { status: 200, body: { message: "A DNS Record already exists with same value" } },
})) {
  test(`create refuses what exists with ${what}`, async () => {
    api.script = [answer];
    await assert.rejects(
      crud.create(api.props, api.deps),
      /^Error: TXT record @ of example\.org: it exists already.*adoptExisting: true/,
    );
    assert.ok(!api.lines().some((line) => line.startsWith("PUT")));
  });
}

test("remove is content with a 404 that doesn't say of what, when the zone is there", async () => {
  api.script = [zoneOf(), failing(404, "not found"), { status: 200, body: { fqdn: "example.org" } }];
  await crud.remove("id", { ...api.props, name: "www" }, api.deps);
  assert.deepEqual(api.said, []);
});

test("create with adoptExisting overwrites", async () => {
  api.script = [created];
  await crud.create({ ...api.props, adoptExisting: true }, api.deps);
  assert.deepEqual(api.lines(), [`PUT ${path}`]);
});

test("a create whose first answer was lost is not taken for a clash", async () => {
  api.script = [{ status: 0, drop: true }, failing(409, "exists"), held(['"v=spf1 mx -all"'])];
  await crud.create(api.props, api.deps);
  api.script = [{ status: 0, drop: true }, failing(409, "exists"), held(['"other"'])];
  await assert.rejects(crud.create(api.props, api.deps), /exists already/);
  api.script = [failing(409, "exists")];
  await assert.rejects(crud.create(api.props, api.deps), /exists already/);
  // The first attempt made it, so the second repeats what is there.
  api.script = [
    { status: 0, drop: true },
    { status: 200, body: { message: "A DNS Record already exists with same value" } },
    held(['"v=spf1 mx -all"']),
  ];
  await crud.create(api.props, api.deps);
});

const reads = [
  {
    name: "the same, spelled otherwise",
    answer: held(['"v=spf1 " "mx -all"']),
    ttl: 10_800,
    values: ["v=spf1 mx -all"],
  },
  {
    name: "another value, as bare text",
    answer: held(['"v=spf1 " "-all"']),
    ttl: 10_800,
    values: ["v=spf1 -all"],
  },
  { name: "another ttl", answer: held(['"v=spf1 mx -all"'], 300), ttl: 300, values: ["v=spf1 mx -all"] },
];
for (const { name, answer, ttl, values } of reads) {
  test(`read finds ${name}`, async () => {
    api.script = [answer];
    assert.deepEqual(await crud.read("id", api.props, api.deps), {
      id: "id",
      props: { ...api.props, ttl, values },
    });
  });
}

test("read says gone only when the zone is there and the record is not", async () => {
  api.script = [zoneOf(["@", "A"])];
  assert.deepEqual(await crud.read("id", api.props, api.deps), {});
  for (const [status, message] of [
    [404, /no zone example\.org/],
    [401, /\(401: no\)/],
    [403, /\(403: no\)/],
  ] as const) {
    api.now += 60_000;
    api.script = [failing(status, "no")];
    await assert.rejects(crud.read("id", api.props, api.deps), message);
  }
});

test("read takes the record from the id when the state has none yet", async () => {
  api.script = [held(['"v=spf1 " "mx -all"'], 600)];
  const found = await crud.read("example.org/@/TXT", { auth: api.props.auth }, api.deps);
  assert.equal(found.id, "example.org/@/TXT");
  assert.deepEqual(found.props, { ...api.props, snapshot: true, ttl: 600, values: ["v=spf1 mx -all"] });
  for (const id of ["example.org", "example.org/@", "a/b/c/d"])
    await assert.rejects(crud.read(id, {}, api.deps), /is no id of a record: write zone\/name\/type/);
});

test("remove is content with what is gone, and with nothing else", async () => {
  api.props = { ...api.props, name: "www", values: ["x"] };
  api.script = [zoneOf(["www", "TXT"]), { status: 204 }];
  await crud.remove("id", api.props, api.deps);
  api.script = [unknownRecord];
  await crud.remove("id", api.props, api.deps);
  const www = path.replace("@", "www");
  assert.deepEqual(api.lines(), [LISTING, `DELETE ${www}`, `DELETE ${www}`]);
  api.script = [unknownRecord];
  await crud.remove("id", { ...api.props, name: "gone" }, api.deps);
  assert.equal(api.lines().at(-1), `GET ${path.replace("@", "gone")}`);
  api.script = [failing(403, "no")];
  await assert.rejects(crud.remove("id", api.props, api.deps), /may not do this/);
});

test("new credentials are tried before they are recorded", async () => {
  api.script = [held(['"v=spf1 mx -all"'])];
  const { outs } = await crud.update(
    "",
    api.props,
    { ...api.props, auth: { ...(api.props.auth as object), token: "new" } },
    api.deps,
  );
  assert.deepEqual(api.lines(), [LISTING]);
  assert.equal((outs.auth as { token: string }).token, "new");
  api.script = [failing(401, "no")];
  await assert.rejects(crud.update("", api.props, api.props, api.deps), /refused the token/);
});

test("a name with a star and one with an underscore are asked for as such", async () => {
  api.script = [created, created];
  await crud.create({ ...api.props, name: "*", adoptExisting: true }, api.deps);
  await crud.create({ ...api.props, name: "_dmarc", adoptExisting: true }, api.deps);
  assert.deepEqual(api.lines(), [`PUT ${path.replace("@", "*")}`, `PUT ${path.replace("@", "_dmarc")}`]);
});

/** What each set holds is of one kind: the stack's own value, and one that somebody else entered. */
const SETS: readonly { name: string; type: string; own: string; spelled?: string; other: string }[] = [
  { name: "@", type: "TXT", own: "v=spf1 mx -all", spelled: '"v=spf1 " "mx -all"', other: '"site=1"' },
  { name: "@", type: "MX", own: "10 mail", spelled: "10 mail.example.org.", other: "20 mx.other.example." },
  {
    name: "@",
    type: "CAA",
    own: '0 issue "letsencrypt.org"',
    spelled: "0 issue letsencrypt.org",
    other: '0 iodef "mailto:x@example.org"',
  },
  { name: "@", type: "A", own: "192.0.2.1", other: "198.51.100.9" },
  { name: "mx", type: "AAAA", own: "2001:db8::1", spelled: "2001:db8:0::1", other: "2001:db8::2" },
  { name: "_dmarc", type: "TXT", own: "v=DMARC1; p=reject", spelled: '"v=DMARC1; p=reject"', other: '"x"' },
  { name: "www", type: "CNAME", own: "mx", spelled: "mx.example.org.", other: "web.other.example." },
];
for (const { name, type, own, spelled = own, other } of SETS) {
  const props = () => ({ ...api.props, name, type, values: [own] });
  const at = path.replace("@/TXT", `${name}/${type}`);
  const set = (...values: string[]) => ({
    ...{ rrset_name: name, rrset_type: type, rrset_ttl: 600, rrset_values: values },
  });
  const listing = (...values: string[]) => ({ status: 200, body: [set(...values)] });
  const record = (...values: string[]) => ({ status: 200, body: set(...values) });

  test(`remove of ${type} at ${name}: its own values alone go with the set`, async () => {
    api.script = [listing(spelled), { status: 204 }];
    await crud.remove("id", props(), api.deps);
    assert.deepEqual(api.lines(), [LISTING, `DELETE ${at}`]);
    assert.deepEqual(api.said, []);
  });

  test(`remove of ${type} at ${name}: others' values beside them stay, and are told`, async () => {
    // As it is now: what was listed before says the same no more.
    api.script = [listing(other), record(spelled, other), created];
    await crud.remove("id", props(), api.deps);
    assert.deepEqual(api.lines(), [LISTING, `GET ${at}`, `PUT ${at}`]);
    assert.deepEqual(JSON.parse(api.requests.at(-1)?.body ?? ""), { rrset_ttl: 600, rrset_values: [other] });
    assert.equal(api.said.length, 1);
  });

  test(`remove of ${type} at ${name}: others' values in place of them stay, and are told`, async () => {
    api.script = [listing(other), record(other)];
    await crud.remove("id", props(), api.deps);
    assert.deepEqual(api.lines(), [LISTING, `GET ${at}`]);
    assert.equal(api.said.length, 1);
  });

  test(`remove of ${type} at ${name}: what was made since the zone was listed goes`, async () => {
    api.script = [listing("x"), record(spelled), { status: 204 }];
    await crud.remove("id", { ...props(), zone: "example.org" }, api.deps);
    assert.deepEqual(api.lines(), [LISTING, `GET ${at}`, `DELETE ${at}`]);
  });
}

test("what remove tells of others' values is no command to a terminal", async () => {
  const evil = ['"\\027[2J\\226\\128\\174evil"'];
  api.script = [held(evil), recordOf(evil)];
  await crud.remove("id", api.props, api.deps);
  assert.match(api.said.join(), /what others entered stays: \[2J evil$/);
});

test("remove takes out what was declared, and not what a refresh found beside it", async () => {
  const mx = { ...api.props, type: "MX", values: ["10 mail"] };
  const both = held(["10 mail.example.org.", "20 mx.other.example."], 10_800, "MX");
  api.script = [created];
  const { id, outs } = await crud.create(mx, api.deps);
  api.script = [both];
  const { props } = await crud.read(id, outs, api.deps);
  assert.deepEqual(props?.values, ["10 mail.example.org.", "20 mx.other.example."]);
  api.script = [both, recordOf(["10 mail.example.org.", "20 mx.other.example."]), created];
  await crud.remove(id, props ?? {}, api.deps);
  assert.deepEqual(JSON.parse(api.requests.at(-1)?.body ?? ""), {
    rrset_ttl: 10_800,
    rrset_values: ["20 mx.other.example."],
  });
});

test("remove asks once for all that the zone has", async () => {
  const names = ["@", "www", "mx"];
  api.script = [
    zoneOf(...names.map((name) => [name, "TXT"] as [string, string])),
    ...names.map(() => ({ status: 204 })),
  ];
  for (const name of names) await crud.remove("id", { ...api.props, name, values: ["x"] }, api.deps);
  assert.deepEqual(api.lines(), [LISTING, ...names.map((name) => `DELETE ${path.replace("@", name)}`)]);
  api.script = [failing(401, "no")];
  await assert.rejects(crud.remove("id", { ...api.props, zone: "b.test" }, api.deps), /refused the token/);
});

for (const [what, more] of Object.entries({
  "the zone's own": {},
  "a name's": { name: "www" },
  "a name's, which is kept before": { name: "www", snapshot: true },
})) {
  test(`remove says so, and is done, when LiveDNS has no such zone: ${what}`, async () => {
    api.script = [failing(404, "Unknown domain"), failing(404, "Unknown domain")];
    await crud.remove("id", { ...api.props, ...more }, api.deps);
    assert.match(
      api.said.join(),
      /^TXT record .* of example\.org: LiveDNS has no zone example\.org that this token/,
    );
  });
}

test("what LiveDNS calls by another spelling of its name is the same record", async () => {
  api.script = [
    { status: 200, body: [{ rrset_name: "_DMARC", rrset_type: "txt", rrset_ttl: 300, rrset_values: ["x"] }] },
  ];
  const found = await crud.read("id", { ...api.props, name: "_dmarc" }, api.deps);
  assert.deepEqual(found.props?.values, ["x"]);
});
