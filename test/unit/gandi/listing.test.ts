/** What is asked of the API once for all records of an update. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "../../../sdks/gandi/client.ts";
import * as crud from "../../../sdks/gandi/crud.ts";
import { tidySnapshots } from "../../../sdks/gandi/domain.ts";
import {
  created,
  failing,
  held,
  kept,
  LISTING,
  path,
  SNAPSHOT,
  scriptedLiveDns,
  unknownRecord,
  zoneOf,
} from "../../support/scripted-livedns.ts";

const api = scriptedLiveDns();

test("a zone is kept before the first change of an update, and only then", async () => {
  const careful = { ...api.props, snapshot: true };
  api.script = [kept, created, created, zoneOf(["www", "TXT"]), { status: 204 }];
  await crud.create(careful, api.deps);
  await crud.update("", { ...careful, ttl: 300 }, careful, api.deps);
  await crud.remove("", { ...careful, name: "www", values: ["x"] }, api.deps);
  assert.deepEqual(api.lines(), [
    SNAPSHOT,
    `POST ${path}`,
    `PUT ${path}`,
    LISTING,
    `DELETE ${path.replace("@", "www")}`,
  ]);
  assert.deepEqual(JSON.parse(api.requests[0]?.body ?? ""), {
    name: "before Pulumi, 1970-01-01T00:00:00.000Z",
  });
  api.script = [kept, created, kept, created];
  await Promise.all(["a.test", "b.test"].map((zone) => crud.create({ ...careful, zone }, api.deps)));
  assert.equal(api.lines().filter((line) => line.endsWith("/snapshots")).length, 3);
});

test("nothing is changed without its snapshot, and the error says how to do without", async () => {
  const careful = { ...api.props, snapshot: true };
  api.script = [failing(422, "too many")];
  await assert.rejects(
    crud.create(careful, api.deps),
    /^Error: TXT record @ of example\.org: no snapshot .* snapshot: false \(422: too many\)/,
  );
  api.script = [failing(403, "no")];
  await assert.rejects(crud.create(careful, api.deps), /may not do this/);
  assert.deepEqual(api.lines(), [SNAPSHOT, SNAPSHOT]);
  api.script = [kept, created];
  await crud.create(careful, api.deps);
});

test("new credentials alone need no snapshot", async () => {
  api.script = [held([])];
  await crud.update("", { ...api.props, snapshot: true }, { ...api.props, snapshot: true }, api.deps);
  assert.deepEqual(api.lines(), [LISTING]);
});

test("a whole refresh asks once what the zone holds; a change makes it ask anew", async () => {
  api.script = [zoneOf(["n1", "TXT"], ["n2", "TXT"])];
  const names = ["n1", "n2", "n3"];
  const found = await Promise.all(names.map((name) => crud.read(name, { ...api.props, name }, api.deps)));
  assert.deepEqual(
    found.map(({ id }) => id),
    ["n1", "n2", undefined],
  );
  assert.deepEqual(api.lines(), [LISTING]);
  api.script = [created, zoneOf(["n3", "TXT"])];
  await crud.create({ ...api.props, name: "n3" }, api.deps);
  assert.equal((await crud.read("n3", { ...api.props, name: "n3" }, api.deps)).id, "n3");
  api.now += 60_000;
  api.script = [zoneOf()];
  assert.deepEqual(await crud.read("n3", { ...api.props, name: "n3" }, api.deps), {});
});

test("a listing that fails is asked for again", async () => {
  api.script = [failing(403, "no"), held([])];
  await assert.rejects(crud.read("id", api.props, api.deps));
  await crud.read("id", api.props, api.deps);
});

test("a zone is listed to its last page", async () => {
  const page = Array.from({ length: 500 }, (_, number): [string, string] => [`n${number}`, "A"]);
  api.script = [zoneOf(...page), zoneOf(["@", "TXT"])];
  assert.equal((await crud.read("id", api.props, api.deps)).id, "id");
  assert.deepEqual(api.lines(), [LISTING, LISTING.replace("page=1", "page=2")]);
});

test("a zone of pages shorter than asked for is listed to its last, too", async () => {
  const total = { headers: { "Total-Count": "3" } };
  const names: [string, string][][] = [
    [
      ["n1", "A"],
      ["n2", "A"],
    ],
    [["@", "TXT"]],
  ];
  api.script = names.map((page) => ({ ...zoneOf(...page), ...total }));
  assert.equal((await crud.read("id", api.props, api.deps)).id, "id");
  assert.equal(api.requests.length, 2);
  api.now += 60_000;
  // Records that went meanwhile are no reason to ask forever.
  api.script = [
    { ...zoneOf(["n1", "A"]), ...total },
    { ...zoneOf(), ...total },
  ];
  assert.deepEqual(await crud.read("id", api.props, api.deps), {});
});

for (const total of ["-1", "", "many", "3"]) {
  test(`a count that can't be, ${JSON.stringify(total)}, ends no listing`, async () => {
    const page = Array.from({ length: 500 }, (_, number): [string, string] => [`n${number}`, "A"]);
    const pages: [string, string][][] = [page, [["@", "TXT"]]];
    api.script = pages.map((sets) => ({ ...zoneOf(...sets), headers: { "Total-Count": total } }));
    assert.equal((await crud.read("id", api.props, api.deps)).id, "id");
  });
}

test("a record alone is asked for anew each time, and is absent only from a zone that is there", async () => {
  const client = connect(api.props.auth as object, api.deps);
  const key = { zone: "example.org", name: "@", type: "TXT" };
  const set = (value: string) => ({ rrset_ttl: 300, rrset_values: [value] });
  api.script = [set("1"), set("2")].map((body) => ({ status: 200, body }));
  assert.deepEqual([await client.record(key), await client.record(key)], [set("1"), set("2")]);
  api.script = [unknownRecord];
  assert.equal(await client.record(key), undefined);
  api.script = [failing(404, "not found"), { status: 200, body: { fqdn: "example.org" } }];
  assert.equal(await client.record(key), undefined);
  api.script = [failing(404, "Unknown domain"), failing(404, "Unknown domain")];
  await assert.rejects(client.record(key), /Unknown domain/);
});

test("old snapshots of ours go, and nobody else's; one that is gone is fine", async () => {
  const at = (day: string) => `before Pulumi, 2026-11-${day}T00:00:00.000Z`;
  const names = [
    at("01"),
    "2026-11-01",
    "before the migration",
    at("04"),
    at("03"),
    "before Pulumi, soon",
    at("02"),
  ];
  const listed = names.map((name, number) => ({ id: `id/${number}`, name, automatic: false }));
  api.script = [
    { status: 200, body: listed },
    { status: 204 },
    { status: 404, body: { code: 404, message: "gone", object: "x", cause: "Not Found" } },
  ];
  assert.equal(
    await tidySnapshots({ zone: "example.org", keep: 2, auth: api.props.auth as object }, api.deps),
    2,
  );
  const snapshots = SNAPSHOT.replace("POST ", "");
  assert.deepEqual(api.lines(), [
    `GET ${snapshots}?page=1&per_page=500`,
    `DELETE ${snapshots}/id%2F6`,
    `DELETE ${snapshots}/id%2F0`,
  ]);
});
