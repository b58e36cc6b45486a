/** What the doctor makes of what name servers and resolvers said. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { together } from "../../../tools/doctor/examine.ts";
import { checkLeft, checkRecord, checkStray } from "../../../tools/doctor/record-checks.ts";
import { checkServers, checkSignatures } from "../../../tools/doctor/server-checks.ts";
import type { Answer, Check, Expectation, ServerState } from "../../../tools/doctor/types.ts";
import { said } from "./said.ts";

const ZONE = "example.org";
const expected: Expectation = { provider: "none", domains: [ZONE], mx: `mx.${ZONE}`, signing: [] };
const MX = { zone: ZONE, name: "@", type: "MX", ttl: 300, values: [`10 mx.${ZONE}.`] };
const answer = (kind: Answer["kind"], source: string, values: string[] | undefined, more = {}): Answer => ({
  ...{ kind, source, zone: ZONE, name: "@", type: "MX", values, ttl: 300 },
  ...more,
});

describe("a record, as several servers tell it", () => {
  const right = MX.values;
  const old = ["10 old.example.net."];
  const cases: [name: string, answers: Answer[], wanted: RegExp | undefined][] = [
    ["all agree", [answer("authority", "ns1", right), answer("resolver", "r", right)], undefined],
    [
      "one name server is behind: the others are right",
      [answer("authority", "ns1", right), answer("authority", "ns2", old), answer("resolver", "r", old)],
      /^error: ns2 is not like the others: mail goes to old\.example\.net/,
    ],
    [
      "all name servers are wrong: the resolvers are not told of as well",
      [answer("authority", "ns1", old), answer("resolver", "r", old)],
      /^error: mail goes to old\.example\.net/,
    ],
    [
      "a resolver remembers: nothing is to be done",
      [answer("authority", "ns1", right), answer("resolver", "r", old, { ttl: 77 })],
      /^warning: the name servers are right, but r still has the old/,
    ],
    ["only a resolver can be asked", [answer("resolver", "r", old)], /^error: mail goes to old/],
    [
      "a silent resolver is nothing against the record",
      [answer("authority", "ns1", right), answer("resolver", "r", undefined)],
      undefined,
    ],
    ["nobody answers", [answer("authority", "ns1", undefined)], /^unknown: no server could be asked/],
    [
      "values in another spelling are the same",
      [answer("authority", "ns1", ["010 MX.Example.ORG."])],
      undefined,
    ],
  ];
  for (const [name, answers, wanted] of cases) {
    test(name, () => {
      const lines = said([checkRecord(MX, answers, expected)]);
      if (wanted === undefined) return assert.deepEqual(lines, []);
      assert.equal(lines.length, 1);
      assert.match(lines[0] ?? "", wanted);
    });
  }

  test("a resolver forgets what was by its TTL, and that there was nothing by the zone's", () => {
    const remembers = (values: string[], ttl: number | undefined) => {
      const answers = [answer("authority", "ns1", right), answer("resolver", "r", values, { ttl })];
      return checkRecord(MX, answers, expected).findings.map(({ remedy }) => remedy);
    };
    assert.match(remembers(old, 77).join(), /^It forgets it within 77 s;/);
    assert.match(remembers([], undefined).join(), /SOA record/);
  });
});

test("a published key that is not the one that signs is told", () => {
  const wanted = {
    zone: ZONE,
    name: "s._domainkey",
    type: "TXT",
    ttl: 300,
    values: ["v=DKIM1; k=rsa; p=AAAA"],
  };
  const there = [answer("authority", "ns1", wanted.values)];
  const signing = (publicKey: string) => ({
    ...expected,
    signing: [{ domain: ZONE, selector: "s", publicKey }],
  });
  assert.deepEqual(said([checkRecord(wanted, there, signing("AAAA"))]), []);
  assert.match(
    said([checkRecord(wanted, there, signing("BBBB"))])[0] ?? "",
    /not the key that smtp-out signs with/,
  );
});

test("a TLSA record that no resolver vouches for is none", () => {
  const wanted = { zone: ZONE, name: "_25._tcp.mx", type: "TLSA", ttl: 300, values: ["2 1 1 ab"] };
  const from = (secure: boolean) => [
    answer("authority", "ns1", ["2 1 1 AB"]),
    answer("resolver", "r", ["2 1 1 AB"], { secure }),
  ];
  assert.deepEqual(said([checkRecord(wanted, from(true), expected)]), []);
  assert.match(said([checkRecord(wanted, from(false), expected)])[0] ?? "", /no resolver vouches for it/);
});

test("what the stack manages is put right by it; what it doesn't, by hand", () => {
  const missing = [answer("authority", "ns1", [])];
  const remedy = (provider: Expectation["provider"]) =>
    checkRecord(MX, missing, { ...expected, provider }).findings[0]?.remedy ?? "";
  assert.match(remedy("gandi"), /npm run up -- --refresh/);
  assert.match(remedy("none"), /@ 300 IN MX 10 mx\.example\.org\./);
});

test("a domain that is given up has no MX record that names the host; others' are theirs", () => {
  const mx = (...values: string[]) => [answer("authority", "ns1", values), answer("resolver", "r", values)];
  const left = (answers: Answer[]) => checkLeft("left.test", "mx.example.org", answers);
  assert.match(
    said([left(mx("20 mx.other.example.", "10 MX.example.org."))])[0] ?? "",
    /still names mx\.example\.org/,
  );
  for (const values of [[], ["10 mx.other.example."], ["0 ."]])
    assert.deepEqual(said([left(mx(...values))]), []);
  // A resolver may remember it, and no server need be reached.
  assert.deepEqual(left([answer("resolver", "r", ["10 mx.example.org."])]).findings, []);
  assert.equal(left([]).unknown, "no server could be asked");
});

test("an address that the stack doesn't know is no secret to senders", () => {
  const answers = [answer("authority", "ns1", ["2001:db8::1"], { type: "AAAA" })];
  assert.match(said([checkStray(`mx.${ZONE}`, answers)])[0] ?? "", /points to 2001:db8::1/);
  assert.deepEqual(said([checkStray(`mx.${ZONE}`, [answer("authority", "ns1", [])])]), []);
});

describe("the name servers themselves", () => {
  const server = (source: string, fault?: ServerState["fault"]): ServerState => ({
    ...{ source, kind: "authority", zone: ZONE },
    ...(fault ? { fault } : {}),
  });
  const silent = { silent: true, text: "ETIMEOUT" };
  const refused = { silent: false, text: "REFUSED" };
  const cases: [
    name: string,
    fault: { absent: boolean; text: string } | undefined,
    servers: ServerState[],
    RegExp | undefined,
  ][] = [
    ["all know the zone", undefined, [server("ns1"), server("ns2")], undefined],
    ["one is silent", undefined, [server("ns1"), server("ns2", silent)], /^warning: ns2 doesn't answer/],
    [
      "one doesn't know the zone",
      undefined,
      [server("ns1"), server("ns2", refused)],
      /^error: ns2 doesn't know the zone \(REFUSED\)/,
    ],
    [
      "none can be reached from here",
      undefined,
      [server("ns1", silent)],
      /^unknown: no name server answers from here/,
    ],
    [
      "one has an IPv6 address, and this machine none",
      undefined,
      [server("ns1"), server("ns1 (2001:db8::1)", { ...silent, noWay: true })],
      undefined,
    ],
    [
      "all have IPv6 addresses alone, and this machine none",
      undefined,
      [server("ns1 (2001:db8::1)", { ...silent, noWay: true })],
      /^unknown: its name servers have IPv6 addresses alone/,
    ],
    [
      "the zone is not delegated",
      { absent: true, text: "no name server is named for it" },
      [],
      /^error: no name server is named/,
    ],
    [
      "nobody can be asked for them",
      { absent: false, text: "ETIMEOUT" },
      [],
      /^unknown: its name servers can't be found/,
    ],
    ["they have no address", undefined, [], /^error: no name server has an address/],
  ];
  for (const [name, fault, servers, wanted] of cases) {
    test(name, () => {
      const lines = said(checkServers([{ zone: ZONE, fault }], servers, expected));
      if (wanted === undefined) return assert.deepEqual(lines, []);
      assert.match(lines.join("\n"), wanted);
    });
  }
  test("resolvers that refuse what the name servers give mean broken signatures, told once", () => {
    const refusal = answer("resolver", "r", undefined, { fault: "SERVFAIL" });
    const given = answer("authority", "ns1", MX.values);
    assert.equal(checkSignatures(ZONE, [given, refusal, refusal]).findings.length, 1);
    // Where nobody has an answer, a resolver's failure says nothing about signatures.
    assert.equal(checkSignatures(ZONE, [refusal]).findings.length, 0);
  });
});

test("records of which nothing can be known are told of in one line", () => {
  const check = (about: string, unknown?: string): Check => ({
    area: "Records",
    about,
    findings: [],
    unknown,
  });
  const known = check("MX example.org");
  const lines = together(ZONE, [known, check("a", "nobody answers"), check("b", "nobody answers")]);
  assert.deepEqual(
    lines.map(({ about, unknown }) => [about, unknown]),
    [
      ["MX example.org", undefined],
      ["2 records of example.org", "nobody answers"],
    ],
  );
  assert.deepEqual(together(ZONE, [known, check("a", "nobody answers")]).length, 2);
});
