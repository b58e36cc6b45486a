/** @pulumi/gandi against the LiveDNS-compatible service, and the service's answers against a DNS client. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { getDomain } from "@pulumi/gandi";
import * as crud from "@pulumi/gandi/crud.ts";
import { livednsSite, zone } from "./session.ts";

const site = livednsSite();

test("a new zone is served with its SOA and name server", async () => {
  assert.equal((await site().resolver.resolveSoa(zone)).nsname, `ns1.${zone}`);
  assert.deepEqual(await site().resolver.resolveNs(zone), [`ns1.${zone}`]);
  assert.deepEqual(await site().resolver.resolve4(`ns1.${zone}`), ["10.9.8.7"]);
  assert.deepEqual(await getDomain({ fqdn: zone, auth: site().auth() }), {
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
    ask: async () => (await site().resolver.resolveMx(zone)).sort((a, b) => a.priority - b.priority),
    wanted: [
      { priority: 10, exchange: `mail.${zone}`, type: "MX" },
      { priority: 20, exchange: "backup.other.test", type: "MX" },
    ],
  },
  {
    name: "A",
    props: { name: "mail", type: "A", ttl: 600, values: ["10.1.2.3"] },
    ask: () => site().resolver.resolve4(`mail.${zone}`, { ttl: true }),
    wanted: [{ address: "10.1.2.3", ttl: 600 }],
  },
  {
    name: "AAAA",
    props: { name: "mail", type: "AAAA", values: ["FD00:0::1"] },
    ask: () => site().resolver.resolve6(`mail.${zone}`),
    wanted: ["fd00::1"],
  },
  {
    name: "a TXT longer than one string",
    props: { name: "key._domainkey", type: "TXT", values: [long] },
    ask: async () =>
      (await site().resolver.resolveTxt(`key._domainkey.${zone}`)).map((chunks) => chunks.join("")),
    wanted: [long],
  },
  {
    name: "a TXT with quotes, a backslash and other bytes",
    props: { name: "odd", type: "TXT", values: ['say "hi\\"; grüße'] },
    ask: () =>
      site()
        .resolver.resolveTxt(`odd.${zone}`)
        .then((all) => all.map((strings) => strings.map(utf8))),
    wanted: [['say "hi\\"; grüße']],
  },
  {
    name: "SRV",
    props: { name: "_imaps._tcp", type: "SRV", values: ["0 1 993 mail"] },
    ask: () => site().resolver.resolveSrv(`_imaps._tcp.${zone}`),
    wanted: [{ priority: 0, weight: 1, port: 993, name: `mail.${zone}`, type: "SRV" }],
  },
  {
    name: "CAA",
    props: { name: "@", type: "CAA", values: ['0 issue "ca.test"'] },
    ask: () => site().resolver.resolveCaa(zone),
    wanted: [{ critical: 0, issue: "ca.test", type: "CAA" }],
  },
];
for (const { name, props, ask, wanted } of records) {
  test(`${name}: created, answered by DNS, no drift, removed`, async () => {
    const { id, inputs, outs } = await site().make(props);
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
  const { id, inputs, outs } = await site().make({ name: "drift", type: "A", values: ["10.0.0.1"] });
  const path = `/domains/${zone}/records/drift/A`;
  await site().api("PUT", path, { body: { rrset_ttl: 300, rrset_values: ["10.0.0.2"] } });
  const found = await crud.read(id, outs);
  assert.deepEqual([found.props?.values, found.props?.ttl], [["10.0.0.2"], 300]);
  assert.equal((await crud.diff(id, found.props ?? {}, inputs)).changes, true);
  const { outs: repaired } = await crud.update(id, found.props ?? {}, inputs);
  assert.deepEqual(await site().resolver.resolve4(`drift.${zone}`), ["10.0.0.1"]);
  await crud.remove(id, repaired);
});

test("a record set that exists is refused, unless it is to be adopted", async () => {
  const first = await site().make({ name: "taken", type: "A", values: ["10.0.0.1"] });
  await assert.rejects(
    site().make({ name: "taken", type: "A", values: ["10.0.0.2"] }),
    /A record taken of semail.test: it exists already.*adoptExisting: true/,
  );
  assert.deepEqual(await site().resolver.resolve4(`taken.${zone}`), ["10.0.0.1"]);
  const next = await site().make({ name: "taken", type: "A", values: ["10.0.0.2"], adoptExisting: true });
  assert.deepEqual(await site().resolver.resolve4(`taken.${zone}`), ["10.0.0.2"]);
  // Whoever had it before takes its own values along, and no others.
  await crud.remove(first.id, first.outs);
  assert.deepEqual(await site().resolver.resolve4(`taken.${zone}`), ["10.0.0.2"]);
  await crud.remove(next.id, next.outs);
});

const failures = [
  {
    name: "wrong token",
    auth: () => ({ ...site().auth(), token: "wrong" }),
    message: /refused the token.*auth\.token.*\(401: /,
  },
  {
    name: "token that may only read",
    auth: () => ({ ...site().auth(), token: site().service.readOnlyToken }),
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
    const alias = await site().make({ name: "alias", type: "CNAME", values: ["mail"] });
    try {
      const wanted = {
        zone,
        name: "bad",
        type: "A",
        values: ["10.0.0.1"],
        auth: (credentials ?? (() => site().auth()))(),
        ...props,
      };
      await assert.rejects(crud.create(wanted), (error: Error) => {
        assert.match(error.message, message);
        assert.match(error.message, /^(A|CAA) record (bad|alias) of /);
        assert.ok(!error.message.includes(site().service.token));
        return true;
      });
    } finally {
      await crud.remove(alias.id, alias.outs);
    }
  });
}

test("a refused token and an unknown zone never make a record look gone", async () => {
  const { id, outs } = await site().make({ name: "kept", type: "A", values: ["10.0.0.1"] });
  await assert.rejects(
    crud.read(id, { ...outs, auth: { ...site().auth(), token: "wrong" } }),
    /refused the token/,
  );
  await assert.rejects(crud.read(id, { ...outs, zone: "absent.test" }), /has no zone/);
  await crud.remove(id, outs);
});
test("forty records made at once are all there", async () => {
  const made = await Promise.all(
    Array.from({ length: 40 }, (_, n) => site().make({ name: `n${n}`, type: "A", values: [`10.0.1.${n}`] })),
  );
  assert.deepEqual(await site().resolver.resolve4(`n39.${zone}`), ["10.0.1.39"]);
  await Promise.all(made.map(({ id, outs }) => crud.remove(id, outs)));
  const list = await site().api("GET", `/domains/${zone}/records`);
  assert.deepEqual(list.json.map((r: { rrset_name: string }) => r.rrset_name).sort(), ["@", "ns1"]);
});
