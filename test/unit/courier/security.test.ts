import assert from "node:assert/strict";
import { describe, test } from "node:test";
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
  "a bogus answer": { zone: { "_25._tcp.mx.test": { tlsa: "ESERVFAIL" } }, want: "refuse" },
  "no answer": { zone: { "_25._tcp.mx.test": { tlsa: "ETIMEOUT" } }, want: "refuse" },
  "an answer that makes no sense": { zone: { "_25._tcp.mx.test": { tlsa: "EBADRESP" } }, want: "refuse" },
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
      const sts = { find: async () => undefined };
      const decide = await createSecurity({ dns: fakeDns(zone), sts, port: 25, exempt: [] })("one.test");
      const decision = await decide({ host: "mx.test", named, found: at });
      assert.equal(decision.kind + (decision.kind === "dane" ? ` at ${decision.base}` : ""), want);
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
  assert.equal((await decide({ host: "192.0.2.1", named: false, found: at })).kind, "opportunistic");
});
