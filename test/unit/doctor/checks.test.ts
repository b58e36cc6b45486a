/** What the doctor makes of what it saw: one table for each kind of check. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { reverseName } from "../../../tools/doctor/ask.ts";
import { together } from "../../../tools/doctor/examine.ts";
import { checkRecord, checkStray } from "../../../tools/doctor/record-checks.ts";
import { checkBind, checkPolicy, checkPtr } from "../../../tools/doctor/sending-checks.ts";
import { checkServers, checkSignatures } from "../../../tools/doctor/server-checks.ts";
import { checkService } from "../../../tools/doctor/service-checks.ts";
import type { Heard, Protocol } from "../../../tools/doctor/services.ts";
import type { Answer, Check, Expectation, ServerState } from "../../../tools/doctor/types.ts";

const ZONE = "example.org";
const expected: Expectation = { provider: "none", domains: [ZONE], mx: `mx.${ZONE}`, signing: [] };
const MX = { zone: ZONE, name: "@", type: "MX", ttl: 300, values: [`10 mx.${ZONE}.`] };
const answer = (kind: Answer["kind"], source: string, values: string[] | undefined, more = {}): Answer => ({
  ...{ kind, source, zone: ZONE, name: "@", type: "MX", values, ttl: 300 },
  ...more,
});
const said = (checks: readonly Check[]): string[] =>
  checks.flatMap(({ findings, unknown }) => [
    ...findings.map(({ severity, message }) => `${severity}: ${message}`),
    ...(unknown === undefined ? [] : [`unknown: ${unknown}`]),
  ]);

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

describe("a service", () => {
  const now = new Date("2026-06-01T00:00:00Z");
  const shown = {
    names: [`mx.${ZONE}`],
    notAfter: new Date("2026-08-01"),
    fits: true,
    distrust: undefined,
    own: true,
  };
  const good: Heard = {
    ...{ greeting: `220 mx.${ZONE} ESMTP`, offersTls: true, shown },
    ...{ relay: "550 5.7.1 no", postmaster: "250 2.1.5 ok" },
  };
  const cases: [
    name: string,
    change: Heard,
    wanted: RegExp | undefined,
    more?: { publicTrust?: boolean; protocol?: Protocol; certifier?: string },
  ][] = [
    ["is well", {}, undefined],
    [
      "is not there",
      { ...unheard(), fault: "ECONNREFUSED" },
      /^error: no answer at 192\.0\.2\.1 port 25 \(ECONNREFUSED\)/,
    ],
    ["is another's", { greeting: "220 other.example.net hi" }, /^error: it greets as other\.example\.net/],
    ["turns people away", { greeting: "421 4.3.2 busy" }, /^error: it says "421 4\.3\.2 busy"/],
    ["has no STARTTLS", { offersTls: false, shown: undefined }, /^error: it offers no STARTTLS/],
    [
      "breaks off at the handshake",
      { shown: undefined, fault: "ECONNRESET" },
      /^error: no TLS came about \(ECONNRESET\)/,
    ],
    [
      "shows an old certificate",
      { shown: { ...shown, notAfter: new Date("2026-05-20") } },
      /^error: its certificate ended on 2026-05-20/,
    ],
    [
      "shows one that ends soon",
      { shown: { ...shown, notAfter: new Date("2026-06-09") } },
      /^warning: its certificate ends in 8 days/,
    ],
    [
      "shows another's",
      { shown: { ...shown, fits: false, names: ["a.test"] } },
      /^error: its certificate is for a\.test, not for mx/,
    ],
    [
      "shows one that nobody trusts",
      { shown: { ...shown, distrust: "DEPTH_ZERO_SELF_SIGNED_CERT" } },
      /^error: nobody trusts/,
    ],
    [
      "has a certificate of our own where senders need a public one",
      {},
      /^error: the stack's own authority issued/,
      { publicTrust: true },
    ],
    [
      "has one of our own where a public authority shall issue it",
      {},
      /^warning: the stack's own authority issued /,
      { certifier: "semail-prod-certifier" },
    ],
    [
      "has one of our own where senders need the public one that is to come",
      {},
      /^error: the stack's own authority issued /,
      { certifier: "semail-prod-certifier", publicTrust: true },
    ],
    [
      "has one of a public authority",
      { shown: { ...shown, own: false } },
      undefined,
      { certifier: "semail-prod-certifier", publicTrust: true },
    ],
    [
      "has one of a public authority that nobody renewed",
      { shown: { ...shown, own: false, notAfter: new Date("2026-06-09") } },
      /^warning: its certificate ends in 8 days/,
      { certifier: "semail-prod-certifier" },
    ],
    [
      "relays for strangers",
      { relay: "250 2.1.5 ok" },
      /^error: it takes a stranger's mail to a foreign domain/,
    ],
    ["asks strangers to log in", { relay: "530 5.7.0 authenticate" }, undefined],
    ["puts strangers off", { relay: "451 4.7.1 later" }, /^warning: it puts/],
    [
      "knows no postmaster",
      { postmaster: "550 5.1.1 unknown" },
      /^warning: mail to postmaster@example\.org is refused/,
    ],
  ];
  for (const [name, change, wanted, more = {}] of cases) {
    test(name, () => {
      const { protocol = "smtp", publicTrust = false, certifier } = more;
      const endpoint = {
        protocol,
        host: "192.0.2.1",
        port: 25,
        serverName: `mx.${ZONE}`,
        ca: "",
        timeoutMs: 1,
      };
      const checks = checkService(
        { endpoint, heard: { ...good, ...change } },
        { now, domain: ZONE, publicTrust, certifier },
      );
      const lines = said(checks);
      if (wanted === undefined) return assert.deepEqual(lines, []);
      assert.equal(lines.length, 1, lines.join("\n"));
      assert.match(lines[0] ?? "", wanted);
      if (certifier === undefined) return;
      const [finding] = checks.flatMap(({ findings }) => findings);
      assert.match(finding?.remedy ?? "", /`docker logs semail-prod-certifier`/);
    });
  }
});

function unheard(): Heard {
  return {
    greeting: undefined,
    shown: undefined,
    offersTls: undefined,
    relay: undefined,
    postmaster: undefined,
  };
}

describe("the host that sends", () => {
  const smtp = `smtp.${ZONE}`;
  const cases: [name: string, names: string[] | undefined, wanted: RegExp | undefined][] = [
    ["its PTR names it", [smtp], undefined],
    ["it has none", [], /^error: is missing/],
    [
      "its PTR is the provider's",
      ["host-1.provider.test"],
      /^error: it names host-1\.provider\.test; smtp-out says HELO smtp/,
    ],
    ["nobody can be asked", undefined, /^unknown/],
  ];
  for (const [name, names, wanted] of cases) {
    test(name, () => {
      const lines = said([checkPtr({ address: "192.0.2.1", names }, smtp)]);
      if (wanted === undefined) return assert.deepEqual(lines, []);
      assert.match(lines[0] ?? "", wanted);
    });
  }
  for (const [address, name] of [
    ["192.0.2.1", "1.2.0.192.in-addr.arpa"],
    ["2001:db8::1", `1${".0".repeat(23)}.8.b.d.0.1.0.0.2.ip6.arpa`],
    ["2001:DB8:1:2:3:4:5:abcd", "d.c.b.a.5.0.0.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"],
    ["::1", `1${".0".repeat(31)}.ip6.arpa`],
    ["mx.example.org", undefined],
  ] as const)
    test(`is named at ${name}: ${address}`, () => assert.equal(reverseName(address), name));
  test("listens where the records lead", () => {
    assert.deepEqual(said(checkBind("127.0.0.1", undefined)), []);
    assert.deepEqual(said(checkBind("0.0.0.0", "192.0.2.1")), []);
    assert.deepEqual(said(checkBind("127.0.0.1", "127.0.0.1")), []);
    assert.match(
      said(checkBind("127.0.0.1", "192.0.2.1"))[0] ?? "",
      /^error: the records lead to 192\.0\.2\.1/,
    );
  });
});

describe("the MTA-STS policy as senders fetch it", () => {
  const wanted = "version: STSv1\r\nmode: enforce\r\nmx: mx.example.org\r\nmax_age: 604800\r\n";
  const cases: [
    name: string,
    got: { status?: number; body?: string; fault?: string },
    wanted: RegExp | undefined,
  ][] = [
    ["the same", { status: 200, body: wanted }, undefined],
    [
      "the same with other line ends",
      { status: 200, body: wanted.replaceAll("\r", "").trimEnd() },
      undefined,
    ],
    ["an old one", { status: 200, body: wanted.replace("enforce", "testing") }, /another policy is served/],
    ["a redirect", { status: 301 }, /the answer is 301, not 200/],
    ["nothing", { fault: "ECONNREFUSED" }, /it can't be fetched \(ECONNREFUSED\)/],
  ];
  for (const [name, got, pattern] of cases) {
    test(name, () => {
      const lines = said([checkPolicy({ url: "https://mta-sts.example.org/", wanted, ...got })]);
      if (pattern === undefined) return assert.deepEqual(lines, []);
      assert.match(lines[0] ?? "", pattern);
    });
  }
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
