/** @pulumi/gandi against the LiveDNS-compatible service, and the service's answers against a DNS client. */
import assert from "node:assert/strict";
import { Resolver } from "node:dns/promises";
import { after, before, test } from "node:test";
import { getDomain } from "@pulumi/gandi";
import * as crud from "@pulumi/gandi/crud.ts";
import { buildLivedns, type Livedns, startLivedns } from "./container.ts";

const zone = "semail.test";
let service: Livedns;
let resolver: Resolver;

function useResolver() {
  resolver = new Resolver({ timeout: 2_000, tries: 2 });
  resolver.setServers([service.dns]);
}

before(async () => {
  const image = await buildLivedns();
  service = await startLivedns(image, {
    LIVEDNS_ZONES: `${zone} other.test`,
    LIVEDNS_NS_ADDRESS: "10.9.8.7",
  });
  useResolver();
});
after(() => service?.remove());

const auth = () => ({ apiUrl: service.apiUrl, token: service.token });

/** Checks and creates, as the engine does. */
async function make(props: { [key: string]: unknown }) {
  const { inputs, failures } = await crud.check({}, { zone, auth: auth(), ...props });
  assert.deepEqual(failures, []);
  return { inputs, ...(await crud.create(inputs)) };
}

async function api(
  method: string,
  path: string,
  options: { token?: string; body?: unknown; accept?: string } = {},
) {
  const response = await fetch(service.apiUrl + path, {
    method,
    headers: {
      authorization: `Bearer ${options.token ?? service.token}`,
      "content-type": "application/json",
      ...(options.accept ? { accept: options.accept } : {}),
    },
    ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
  });
  const text = await response.text();
  const json = response.headers.get("content-type")?.includes("json") ? JSON.parse(text) : undefined;
  return { status: response.status, headers: response.headers, text, json };
}

test("a new zone is served with its SOA and name server", async () => {
  assert.equal((await resolver.resolveSoa(zone)).nsname, `ns1.${zone}`);
  assert.deepEqual(await resolver.resolveNs(zone), [`ns1.${zone}`]);
  assert.deepEqual(await resolver.resolve4(`ns1.${zone}`), ["10.9.8.7"]);
  assert.deepEqual(await getDomain({ fqdn: zone, auth: auth() }), {
    fqdn: zone,
    nameservers: [`ns1.${zone}`],
  });
});

/** node:dns gives each byte as a character. */
const utf8 = (text: string) => Buffer.from(text, "latin1").toString();

const long = `v=DKIM1; p=${"A1+/".repeat(150)}`;
const records = [
  {
    name: "MX",
    props: { name: "@", type: "MX", values: ["10 mail", "20 backup.other.test."] },
    ask: async () => (await resolver.resolveMx(zone)).sort((a, b) => a.priority - b.priority),
    wanted: [
      { priority: 10, exchange: `mail.${zone}`, type: "MX" },
      { priority: 20, exchange: "backup.other.test", type: "MX" },
    ],
  },
  {
    name: "A",
    props: { name: "mail", type: "A", ttl: 600, values: ["10.1.2.3"] },
    ask: () => resolver.resolve4(`mail.${zone}`, { ttl: true }),
    wanted: [{ address: "10.1.2.3", ttl: 600 }],
  },
  {
    name: "AAAA",
    props: { name: "mail", type: "AAAA", values: ["FD00:0::1"] },
    ask: () => resolver.resolve6(`mail.${zone}`),
    wanted: ["fd00::1"],
  },
  {
    name: "a TXT longer than one string",
    props: { name: "key._domainkey", type: "TXT", values: [long] },
    ask: async () => (await resolver.resolveTxt(`key._domainkey.${zone}`)).map((chunks) => chunks.join("")),
    wanted: [long],
  },
  {
    name: "a TXT with quotes, a backslash and other bytes",
    props: { name: "odd", type: "TXT", values: ['say "hi\\"; grüße'] },
    ask: () => resolver.resolveTxt(`odd.${zone}`).then((all) => all.map((strings) => strings.map(utf8))),
    wanted: [['say "hi\\"; grüße']],
  },
  {
    name: "SRV",
    props: { name: "_imaps._tcp", type: "SRV", values: ["0 1 993 mail"] },
    ask: () => resolver.resolveSrv(`_imaps._tcp.${zone}`),
    wanted: [{ priority: 0, weight: 1, port: 993, name: `mail.${zone}`, type: "SRV" }],
  },
  {
    name: "CAA",
    props: { name: "@", type: "CAA", values: ['0 issue "ca.test"'] },
    ask: () => resolver.resolveCaa(zone),
    wanted: [{ critical: 0, issue: "ca.test", type: "CAA" }],
  },
];
for (const { name, props, ask, wanted } of records) {
  test(`${name}: created, answered by DNS, no drift, removed`, async () => {
    const { id, inputs, outs } = await make(props);
    assert.deepEqual(await ask(), wanted);
    const found = await crud.read(id, outs);
    assert.deepEqual(found.props, outs, "a refresh finds what was written");
    assert.equal((await crud.diff(id, found.props ?? {}, inputs)).changes, false);
    await crud.remove(id, outs);
    await assert.rejects(ask(), { code: /ENOTFOUND|ENODATA/ });
    await crud.remove(id, outs);
    assert.deepEqual(await crud.read(id, outs), {}, "gone");
  });
}

test("drift is seen and put right", async () => {
  const { id, inputs, outs } = await make({ name: "drift", type: "A", values: ["10.0.0.1"] });
  const path = `/domains/${zone}/records/drift/A`;
  await api("PUT", path, { body: { rrset_ttl: 300, rrset_values: ["10.0.0.2"] } });
  const found = await crud.read(id, outs);
  assert.deepEqual([found.props?.values, found.props?.ttl], [["10.0.0.2"], 300]);
  assert.equal((await crud.diff(id, found.props ?? {}, inputs)).changes, true);
  const { outs: repaired } = await crud.update(id, found.props ?? {}, inputs);
  assert.deepEqual(await resolver.resolve4(`drift.${zone}`), ["10.0.0.1"]);
  await crud.remove(id, repaired);
});

test("a record set that exists is refused, unless it is to be adopted", async () => {
  const first = await make({ name: "taken", type: "A", values: ["10.0.0.1"] });
  await assert.rejects(
    make({ name: "taken", type: "A", values: ["10.0.0.2"] }),
    /A record taken of semail.test: it exists already.*adoptExisting: true/,
  );
  assert.deepEqual(await resolver.resolve4(`taken.${zone}`), ["10.0.0.1"]);
  await make({ name: "taken", type: "A", values: ["10.0.0.2"], adoptExisting: true });
  assert.deepEqual(await resolver.resolve4(`taken.${zone}`), ["10.0.0.2"]);
  await crud.remove(first.id, first.outs);
});

const failures = [
  {
    name: "wrong token",
    auth: () => ({ ...auth(), token: "wrong" }),
    message: /refused the token.*auth\.token.*\(401: /,
  },
  {
    name: "token that may only read",
    auth: () => ({ ...auth(), token: service.readOnlyToken }),
    message: /may not do this.*\(403: /,
  },
  {
    name: "unknown zone",
    props: { zone: "absent.test" },
    message: /has no zone absent\.test.*\(404: Unknown domain\)/,
  },
  {
    name: "data that Knot can't read",
    props: { type: "CAA", values: ["nonsense"] },
    message: /correct its ttl or values \(400: .*parser failed/,
  },
  {
    name: "a record beside a CNAME",
    props: { name: "alias" },
    message: /clashes with another type.*\(409: /,
  },
];
for (const { name, auth: credentials, props, message } of failures) {
  test(`create fails with cause and remedy: ${name}`, async () => {
    const alias = await make({ name: "alias", type: "CNAME", values: ["mail"] });
    try {
      const wanted = {
        zone,
        name: "bad",
        type: "A",
        values: ["10.0.0.1"],
        auth: (credentials ?? auth)(),
        ...props,
      };
      await assert.rejects(crud.create(wanted), (error: Error) => {
        assert.match(error.message, message);
        assert.match(error.message, /^(A|CAA) record (bad|alias) of /);
        assert.ok(!error.message.includes(service.token));
        return true;
      });
    } finally {
      await crud.remove(alias.id, alias.outs);
    }
  });
}

test("a refused token and an unknown zone never make a record look gone", async () => {
  const { id, outs } = await make({ name: "kept", type: "A", values: ["10.0.0.1"] });
  await assert.rejects(crud.read(id, { ...outs, auth: { ...auth(), token: "wrong" } }), /refused the token/);
  await assert.rejects(crud.read(id, { ...outs, zone: "absent.test" }), /has no zone/);
  await crud.remove(id, outs);
});

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
    const answer = await api(method, path, { body });
    assert.equal(answer.status, status);
    assert.equal(answer.json.code, status);
    if (typeof error === "string") assert.equal(answer.json.message, error);
    else assert.match(answer.json.message, error);
    assert.ok(answer.json.object && answer.json.cause);
  });
}

test("domains are added and listed, in pages; both survive a restart", async () => {
  assert.equal((await api("POST", "/domains", { body: { fqdn: "Added.Test" } })).status, 201);
  assert.equal(
    (await api("POST", "/domains/added.test/records/www", { body: { rrset_type: "A", ...good } })).status,
    201,
  );
  const page = await api("GET", "/domains?per_page=2");
  assert.equal(page.headers.get("total-count"), "3");
  assert.match(page.headers.get("link") ?? "", /page=2.*rel="next"/);
  assert.deepEqual(
    page.json.map((d: { fqdn: string }) => d.fqdn),
    ["added.test", "other.test"],
  );
  await service.restart();
  useResolver();
  assert.deepEqual(await resolver.resolve4("www.added.test"), ["10.0.0.1"]);
  const list = await api("GET", "/domains/added.test/records");
  assert.deepEqual(list.json.map((r: { rrset_type: string }) => r.rrset_type).sort(), ["A", "A", "NS"]);
  const text = await api("GET", "/domains/added.test/records", { accept: "text/plain" });
  assert.match(text.text, /^@ 10800 IN SOA ns1\.added\.test\. .*\n(.*\n)*www 300 IN A 10\.0\.0\.1\n/);
  assert.equal((await api("DELETE", "/domains/added.test/records/www")).status, 204);
  await assert.rejects(resolver.resolve4("www.added.test"), { code: "ENOTFOUND" });
});

test("a record made twice: 200 with the same value, 409 with another", async () => {
  const path = `/domains/${zone}/records/twice/TXT`;
  const body = { rrset_ttl: 300, rrset_values: ['"a b"'] };
  const status = async (given: object) => (await api("POST", path, { body: given })).status;
  assert.deepEqual(
    [await status(body), await status(body), await status({ ...body, rrset_values: ['"a" " b"'] })],
    [201, 200, 200],
  );
  assert.deepEqual(
    [await status({ ...body, rrset_ttl: 600 }), await status({ ...body, rrset_values: ['"c"'] })],
    [409, 409],
  );
  assert.equal((await api("DELETE", path)).status, 204);
});

test("a zone is kept as it is: snapshots are made, listed, read, put back and deleted", async () => {
  const path = `/domains/${zone}/snapshots`;
  await make({ name: "stays", type: "A", values: ["10.0.0.1"] });
  const { status, json } = await api("POST", path, { body: { name: "before" } });
  assert.equal(status, 201);
  await make({ name: "after", type: "A", values: ["10.0.0.9"] });
  const list = await api("GET", path);
  const found = list.json.filter((each: { id: string }) => each.id === json.id);
  assert.deepEqual(
    found.map((each: { name: string; automatic: boolean }) => [each.name, each.automatic]),
    [["before", false]],
  );
  const { zone_data } = (await api("GET", `${path}/${json.id}`)).json;
  const names = zone_data.map((set: { rrset_name: string }) => set.rrset_name);
  assert.ok(names.includes("ns1") && !names.includes("after"));

  const stays = `/domains/${zone}/records/stays/A`;
  await api("PUT", stays, { body: { rrset_ttl: 300, rrset_values: ["10.0.0.2"] } });
  const items = zone_data.map(({ rrset_href: _, ...set }: { rrset_href: string }) => set);
  const records = `/domains/${zone}/records`;
  assert.equal((await api("PUT", records, { body: { items } })).status, 201);
  const seen = async () => (await api("GET", records)).json;
  assert.deepEqual(await seen(), zone_data);
  assert.deepEqual(await resolver.resolve4(`stays.${zone}`), ["10.0.0.1"]);
  const alias = { rrset_name: "stays", rrset_type: "CNAME", rrset_ttl: 300, rrset_values: ["www"] };
  for (const [more, refused] of [
    [alias, 409],
    [items[0], 400],
  ]) {
    assert.equal((await api("PUT", records, { body: { items: [...items, more] } })).status, refused);
    assert.deepEqual(await seen(), zone_data);
  }

  assert.equal((await api("DELETE", stays)).status, 204);
  assert.equal((await api("DELETE", `${path}/${json.id}`)).status, 204);
  assert.equal((await api("GET", `${path}/${json.id}`)).status, 404);
  assert.equal((await api("GET", "/domains/nowhere.test/snapshots")).status, 404);
});

test("forty records made at once are all there", async () => {
  const made = await Promise.all(
    Array.from({ length: 40 }, (_, n) => make({ name: `n${n}`, type: "A", values: [`10.0.1.${n}`] })),
  );
  assert.deepEqual(await resolver.resolve4(`n39.${zone}`), ["10.0.1.39"]);
  await Promise.all(made.map(({ id, outs }) => crud.remove(id, outs)));
  const list = await api("GET", `/domains/${zone}/records`);
  assert.deepEqual(list.json.map((r: { rrset_name: string }) => r.rrset_name).sort(), ["@", "ns1"]);
});

test("no token is in the log, and SIGTERM ends it promptly", async () => {
  const logs = await service.logs();
  assert.match(logs, /livedns\.change/);
  assert.ok(!logs.includes(service.token) && !logs.includes(service.readOnlyToken));
  assert.ok((await service.stop()) < 3_000);
});
