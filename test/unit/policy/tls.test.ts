import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  decideTls,
  type TlsaRecord,
  type TlsFacts,
  tlsFailureOutcome,
} from "../../../mailserver/policy/tls.ts";

const sha256 = "ab".repeat(32);
const sha512 = "cd".repeat(64);
const record = (usage: number, selector: number, matching: number, data = sha256): TlsaRecord => ({
  ...{ usage, selector, matching, data },
});
const records = (...all: TlsaRecord[]): TlsFacts["tlsa"] => ({
  kind: "records",
  base: "mx.one.test",
  records: all,
});
const none = { kind: "none" } as const;
const bogus = { kind: "unknown", code: "ESERVFAIL" } as const;
const sts = (mode: "enforce" | "testing" | "none", listed = true) => ({ mode, listed });

const decisions: Readonly<Record<string, { facts: Partial<TlsFacts>; want: string }>> = {
  "nothing published": { facts: {}, want: "opportunistic" },
  "TLSA of the certificate": { facts: { tlsa: records(record(3, 1, 1)) }, want: "dane 311" },
  "TLSA of the authority": { facts: { tlsa: records(record(2, 0, 1)) }, want: "dane 201" },
  "TLSA with the whole certificate": { facts: { tlsa: records(record(3, 0, 0, "30")) }, want: "dane 300" },
  "TLSA that can't be validated": { facts: { tlsa: bogus }, want: "refuse DANE 4.7.5" },
  "TLSA of the public authorities (usage 0 and 1)": {
    facts: { tlsa: records(record(0, 0, 1), record(1, 1, 1)) },
    want: "encrypted",
  },
  "TLSA with a digest of the wrong length": { facts: { tlsa: records(record(3, 1, 2)) }, want: "encrypted" },
  "TLSA with an unknown digest": { facts: { tlsa: records(record(3, 1, 9)) }, want: "encrypted" },
  "TLSA with an unknown selector": { facts: { tlsa: records(record(3, 2, 1)) }, want: "encrypted" },
  "TLSA without data": { facts: { tlsa: records(record(3, 1, 0, "")) }, want: "encrypted" },
  "TLSA, one usable of two": {
    facts: { tlsa: records(record(1, 1, 1), record(3, 1, 1)) },
    want: "dane 311",
  },
  "TLSA with two digests of one key: the strongest": {
    facts: { tlsa: records(record(3, 1, 1), record(3, 1, 2, sha512)) },
    want: "dane 312",
  },
  "TLSA with digests of different things: both": {
    facts: { tlsa: records(record(3, 1, 1), record(2, 1, 2, sha512)) },
    want: "dane 311 212",
  },
  "MTA-STS enforce": { facts: { sts: sts("enforce") }, want: "sts" },
  "MTA-STS enforce, a host that it does not name": {
    facts: { sts: sts("enforce", false) },
    want: "refuse MTA-STS 4.7.5",
  },
  "MTA-STS testing": { facts: { sts: sts("testing") }, want: "testing" },
  "MTA-STS testing, a host that it does not name": {
    facts: { sts: sts("testing", false) },
    want: "testing unlisted",
  },
  "MTA-STS none": { facts: { sts: sts("none", false) }, want: "opportunistic" },
  "DANE and MTA-STS": {
    facts: { tlsa: records(record(3, 1, 1)), sts: sts("enforce", false) },
    want: "dane 311",
  },
  "DANE that can't be validated and MTA-STS": {
    facts: { tlsa: bogus, sts: sts("testing") },
    want: "refuse DANE 4.7.5",
  },
  "unusable TLSA and MTA-STS enforce": {
    facts: { tlsa: records(record(1, 1, 1)), sts: sts("enforce") },
    want: "sts",
  },
  "unusable TLSA and MTA-STS testing": {
    facts: { tlsa: records(record(1, 1, 1)), sts: sts("testing") },
    want: "encrypted",
  },
};

describe("what is demanded of a host:", () => {
  for (const [name, { facts, want }] of Object.entries(decisions)) {
    test(`${name}: ${want}`, () => {
      const found = decideTls({ domain: "one.test", host: "mx.one.test", tlsa: none, ...facts });
      const more = {
        opportunistic: () => "",
        encrypted: () => "",
        sts: () => "",
        testing: () => ("unlisted" in found && found.unlisted ? " unlisted" : ""),
        dane: () =>
          "records" in found
            ? found.records.map(({ usage, selector, matching }) => ` ${usage}${selector}${matching}`).join("")
            : "",
        refuse: () =>
          "outcome" in found && found.outcome.kind === "temporary"
            ? ` ${found.by} ${found.outcome.reply.enhanced}`
            : "",
      }[found.kind]();
      assert.equal(found.kind + more, want);
    });
  }
});

test("by usage 2 the certificate may be for the host, its alias, or the domain (RFC 7672 section 3.2.2)", () => {
  const tlsa = { kind: "records" as const, base: "real.test", records: [record(2, 1, 1)] };
  const found = decideTls({ domain: "one.test", host: "mx.one.test", tlsa });
  assert.deepEqual(found.kind === "dane" && found.names, ["real.test", "mx.one.test", "one.test"]);
});

for (const [by, failure, want] of [
  ["DANE", "notOffered", /^4\.7\.4 .*mx\.test offers no TLS.*DANE/],
  ["MTA-STS", "notOffered", /^4\.7\.4 .*MTA-STS/],
  ["DANE", "handshake", /^4\.7\.5 .*repair TLS/],
  ["DANE", "certificate", /^4\.7\.5 .*certificate of the mail host mx\.test fits no TLSA record.*publish/],
  ["MTA-STS", "certificate", /^4\.7\.5 .*install a valid certificate/],
] as const) {
  test(`${failure} under ${by} waits, and says who has to do what`, () => {
    const { kind, reply } = tlsFailureOutcome(by, "mx.test", failure, "fits no TLSA record");
    assert.equal(kind, "temporary");
    assert.match(`${reply.enhanced} ${reply.lines.join(" ")}`, want);
  });
}
