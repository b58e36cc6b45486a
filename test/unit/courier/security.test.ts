import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { StsFound, StsRule } from "../../../mailserver/courier/mta-sts.ts";
import { createSecurity } from "../../../mailserver/courier/security.ts";
import { fakeDns, type Zone } from "../../support/fake-dns.ts";

const tlsa = [{ usage: 3, selector: 1, matching: 1, data: "ab".repeat(32) }];
const secured = { tlsa, secure: true };
const found = (name: string, secure = true) => ({ name, secure });

interface Case {
  readonly zone: Zone;
  readonly named?: boolean;
  readonly at?: { readonly name: string; readonly secure: boolean };
  readonly want: string;
}

const cases: Readonly<Record<string, Case>> = {
  "a record that DNSSEC vouches for": { zone: { "_25._tcp.mx.test": secured }, want: "dane at mx.test" },
  "a record that nothing vouches for": {
    zone: { "_25._tcp.mx.test": { tlsa, secure: false } },
    want: "opportunistic",
  },
  "no record": { zone: {}, want: "opportunistic" },
  "no record of that type": { zone: { "_25._tcp.mx.test": {} }, want: "opportunistic" },
  "a host whose name is too long to have records below it": {
    zone: { "_25._tcp.mx.test": { tlsa: "EBADNAME" } },
    want: "opportunistic",
  },
  "a bogus answer": { zone: { "_25._tcp.mx.test": { tlsa: "ESERVFAIL" } }, want: "refuse" },
  "no answer": { zone: { "_25._tcp.mx.test": { tlsa: "ETIMEOUT" } }, want: "refuse" },
  "an answer that makes no sense": { zone: { "_25._tcp.mx.test": { tlsa: "EBADRESP" } }, want: "refuse" },
  "more records than are read": { zone: { "_25._tcp.mx.test": { tlsa: "EMSGSIZE" } }, want: "refuse" },
  "an MX record that nothing vouches for": {
    zone: { "_25._tcp.mx.test": secured },
    named: false,
    want: "opportunistic",
  },
  "addresses that nothing vouches for: no question that an old name server may choke on": {
    zone: { "_25._tcp.mx.test": { tlsa: "ESERVFAIL" } },
    at: found("mx.test", false),
    want: "opportunistic",
  },
  "a host that is an alias: the record of the real name": {
    zone: { "_25._tcp.mx.test": secured, "_25._tcp.real.test": secured },
    at: found("real.test"),
    want: "dane at real.test",
  },
  "a host that is an alias, with a record of its own alone": {
    zone: { "_25._tcp.mx.test": secured },
    at: found("real.test"),
    want: "dane at mx.test",
  },
};

describe("DANE:", () => {
  for (const [name, { zone, named = true, at = found("mx.test"), want }] of Object.entries(cases)) {
    test(`${name}: ${want}`, async () => {
      const sts = { find: async () => ({}) };
      const decide = await createSecurity({ dns: fakeDns(zone), sts, port: 25, exempt: [] })("one.test");
      const decision = await decide({ host: "mx.test", named, found: at });
      assert.equal(decision.kind + (decision.kind === "dane" ? ` at ${decision.base}` : ""), want);
    });
  }
});

const rule: StsRule = {
  policy: { id: "1", mode: "enforce", mx: ["mx.test"], fetched: 0, expires: 60_000 },
  facts: () => ({ mode: "enforce", listed: true }),
};
const none: StsRule = { ...rule, facts: () => ({ mode: "none", listed: true }) };
const lack = { result: "sts-policy-fetch-error" } as const;
const reported: Readonly<Record<string, { published: StsFound; zone?: Zone; want: string }>> = {
  "no policy": { published: {}, want: "no-policy-found [] ok" },
  "a policy that asks for nothing": { published: { rule: none }, want: "no-policy-found [] ok" },
  "a policy that could not be had": { published: { failure: lack }, want: `sts [] ${lack.result}` },
  "an MTA-STS policy": {
    published: { rule },
    want: "sts [version: STSv1,mode: enforce,mx: mx.test,max_age: 60] ok",
  },
  "TLSA records, which go first": {
    published: { failure: lack },
    zone: { "_25._tcp.mx.test": secured },
    want: `tlsa [3 1 1 ${"ab".repeat(32)}] ok`,
  },
};
describe("what is reported of a domain with", () => {
  for (const [name, { published, zone = {}, want }] of Object.entries(reported)) {
    test(`${name}: ${want}`, async () => {
      const sts = { find: async () => published };
      const decide = await createSecurity({ dns: fakeDns(zone), sts, port: 25, exempt: [] })("one.test");
      const { policy, lack: why } = await decide({ host: "mx.test", named: true, found: found("mx.test") });
      assert.equal(`${policy?.type} [${policy?.strings}] ${why?.result ?? "ok"}`, want);
    });
  }
});

test("a domain that the operator exempts is asked nothing", async () => {
  const sts = { find: () => Promise.reject(new Error("asked")) };
  const dns = fakeDns({ "_25._tcp.mx.test": secured });
  const decide = await createSecurity({ dns, sts, port: 25, exempt: ["one.test"] })("One.test");
  assert.deepEqual(await decide({ host: "mx.test", named: true, found: found("mx.test") }), {
    kind: "opportunistic",
  });
});

test("an address literal has no policy", async () => {
  const sts = { find: () => Promise.reject(new Error("asked")) };
  const decide = await createSecurity({ dns: fakeDns({}), sts, port: 25, exempt: [] })("[192.0.2.1]");
  const at = found("192.0.2.1", false);
  assert.deepEqual(await decide({ host: "192.0.2.1", named: false, found: at }), { kind: "opportunistic" });
});
