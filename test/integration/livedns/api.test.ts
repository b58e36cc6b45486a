/** What the LiveDNS-compatible service's API answers, and what it keeps. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { livednsSite, zone } from "./session.ts";

const site = livednsSite();

const record = `/domains/${zone}/records/api/A`;
const good = { rrset_ttl: 300, rrset_values: ["10.0.0.1"] };
const answers = [
  {
    name: "TTL too low",
    method: "POST",
    path: record,
    body: { ...good, rrset_ttl: 60 },
    status: 400,
    error: "60 is less than minimum value 300",
  },
  {
    name: "TTL too high",
    method: "PUT",
    path: record,
    body: { ...good, rrset_ttl: 2592001 },
    status: 400,
    error: "2592001 is greater than maximum value 2592000",
  },
  {
    name: "a line break",
    method: "POST",
    path: record,
    body: { rrset_values: ["10.0.0.1\nevil A 1.2.3.4"] },
    status: 400,
    error: /printable/,
  },
  {
    name: "an option for a value",
    method: "POST",
    path: record,
    body: { rrset_values: ["-f"] },
    status: 400,
    error: /parser failed/,
  },
  { name: "no JSON", method: "POST", path: record, body: undefined, status: 400, error: /expected object/ },
  {
    name: "unknown type",
    method: "POST",
    path: `/domains/${zone}/records/api/FOO`,
    body: good,
    status: 400,
    error: /type/,
  },
  {
    name: "the zone's SOA",
    method: "PUT",
    path: `/domains/${zone}/records/@/SOA`,
    body: good,
    status: 400,
    error: /type/,
  },
  {
    name: "a name that climbs out",
    method: "POST",
    path: `/domains/${zone}/records/x.../A`,
    body: good,
    status: 400,
    error: /not a valid record name/,
  },
  {
    name: "unknown record",
    method: "GET",
    path: `/domains/${zone}/records/nope/MX`,
    status: 404,
    error: "Can't find the DNS record nope/MX in the zone",
  },
  { name: "unknown path", method: "GET", path: "/nothing", status: 404, error: /could not be found/ },
  {
    name: "a domain that is there",
    method: "POST",
    path: "/domains",
    body: { fqdn: zone },
    status: 409,
    error: /already exists/,
  },
];
for (const { name, method, path, body, status, error } of answers) {
  test(`the API answers ${status}: ${name}`, async () => {
    const answer = await site().api(method, path, { body });
    assert.equal(answer.status, status);
    assert.equal(answer.json.code, status);
    if (typeof error === "string") assert.equal(answer.json.message, error);
    else assert.match(answer.json.message, error);
    assert.ok(answer.json.object && answer.json.cause);
  });
}

test("domains are added and listed, in pages; both survive a restart", async () => {
  assert.equal((await site().api("POST", "/domains", { body: { fqdn: "Added.Test" } })).status, 201);
  assert.equal(
    (await site().api("POST", "/domains/added.test/records/www", { body: { rrset_type: "A", ...good } }))
      .status,
    201,
  );
  const page = await site().api("GET", "/domains?per_page=2");
  assert.equal(page.headers.get("total-count"), "3");
  assert.match(page.headers.get("link") ?? "", /page=2.*rel="next"/);
  assert.deepEqual(
    page.json.map((d: { fqdn: string }) => d.fqdn),
    ["added.test", "other.test"],
  );
  await site().restart();
  assert.deepEqual(await site().resolver.resolve4("www.added.test"), ["10.0.0.1"]);
  const list = await site().api("GET", "/domains/added.test/records");
  assert.deepEqual(list.json.map((r: { rrset_type: string }) => r.rrset_type).sort(), ["A", "A", "NS"]);
  const text = await site().api("GET", "/domains/added.test/records", { accept: "text/plain" });
  assert.match(text.text, /^@ 10800 IN SOA ns1\.added\.test\. .*\n(.*\n)*www 300 IN A 10\.0\.0\.1\n/);
  assert.equal((await site().api("DELETE", "/domains/added.test/records/www")).status, 204);
  await assert.rejects(site().resolver.resolve4("www.added.test"), { code: "ENOTFOUND" });
});

test("a record made twice: 200 with the same value, 409 with another", async () => {
  const path = `/domains/${zone}/records/twice/TXT`;
  const body = { rrset_ttl: 300, rrset_values: ['"a b"'] };
  const status = async (given: object) => (await site().api("POST", path, { body: given })).status;
  assert.deepEqual(
    [await status(body), await status(body), await status({ ...body, rrset_values: ['"a" " b"'] })],
    [201, 200, 200],
  );
  assert.deepEqual(
    [await status({ ...body, rrset_ttl: 600 }), await status({ ...body, rrset_values: ['"c"'] })],
    [409, 409],
  );
  assert.equal((await site().api("DELETE", path)).status, 204);
});

test("a zone is kept as it is: snapshots are made, listed, read, put back and deleted", async () => {
  const path = `/domains/${zone}/snapshots`;
  await site().make({ name: "stays", type: "A", values: ["10.0.0.1"] });
  const { status, json } = await site().api("POST", path, { body: { name: "before" } });
  assert.equal(status, 201);
  await site().make({ name: "after", type: "A", values: ["10.0.0.9"] });
  const list = await site().api("GET", path);
  const found = list.json.filter((each: { id: string }) => each.id === json.id);
  assert.deepEqual(
    found.map((each: { name: string; automatic: boolean }) => [each.name, each.automatic]),
    [["before", false]],
  );
  const { zone_data } = (await site().api("GET", `${path}/${json.id}`)).json;
  const names = zone_data.map((set: { rrset_name: string }) => set.rrset_name);
  assert.ok(names.includes("ns1") && !names.includes("after"));

  const stays = `/domains/${zone}/records/stays/A`;
  await site().api("PUT", stays, { body: { rrset_ttl: 300, rrset_values: ["10.0.0.2"] } });
  const items = zone_data.map(({ rrset_href: _, ...set }: { rrset_href: string }) => set);
  const records = `/domains/${zone}/records`;
  assert.equal((await site().api("PUT", records, { body: { items } })).status, 201);
  const seen = async () => (await site().api("GET", records)).json;
  assert.deepEqual(await seen(), zone_data);
  assert.deepEqual(await site().resolver.resolve4(`stays.${zone}`), ["10.0.0.1"]);
  const alias = { rrset_name: "stays", rrset_type: "CNAME", rrset_ttl: 300, rrset_values: ["www"] };
  for (const [more, refused] of [
    [alias, 409],
    [items[0], 400],
  ]) {
    assert.equal((await site().api("PUT", records, { body: { items: [...items, more] } })).status, refused);
    assert.deepEqual(await seen(), zone_data);
  }

  assert.equal((await site().api("DELETE", stays)).status, 204);
  assert.equal((await site().api("DELETE", `${path}/${json.id}`)).status, 204);
  assert.equal((await site().api("GET", `${path}/${json.id}`)).status, 404);
  assert.equal((await site().api("GET", "/domains/nowhere.test/snapshots")).status, 404);
});
test("no token is in the log, and SIGTERM ends it promptly", async () => {
  const logs = await site().service.logs();
  assert.match(logs, /livedns\.change/);
  assert.ok(!logs.includes(site().service.token) && !logs.includes(site().service.readOnlyToken));
  assert.ok((await site().service.stop()) < 3_000);
});
