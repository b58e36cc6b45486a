import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parseConfig } from "../../../stacks/check-config.ts";
import { checkZone, type ZoneFacts } from "../../../stacks/dns/checks.ts";
import { describeFindings } from "../../../stacks/dns/findings.ts";
import type { HeldRecord } from "../../../stacks/dns/held.ts";
import { askResolver } from "../../../stacks/dns/look.ts";
import { findFaults, mergeHeld, unchangedRecords } from "../../../stacks/dns/preview.ts";
import { mergeSpf, missingTerms, spfCost } from "../../../stacks/dns/spf.ts";
import { buildModel } from "../../../stacks/model.ts";

const record = (name: string, type: string, values: string[], ttl = 300): HeldRecord => ({
  ...{ zone: "example.org", name, type, ttl, values },
});
const facts = (wanted: HeldRecord[], rest: Partial<ZoneFacts> = {}): ZoneFacts => ({
  ...{ wanted, pending: [], held: [], adoptExisting: false, stsHosts: undefined },
  ...{ spf: { mode: "refuse", terms: ["a:smtp.example.org"] }, published: [], changeNow: false },
  ...rest,
});

const KEY = { zone: "example.org", name: "semail1._domainkey", type: "TXT" };
const MX = record("@", "MX", ["10 mx.example.org."]);
const SPF = record("@", "TXT", ["v=spf1 a:smtp.example.org -all"]);

describe("a record that would break mail is found before it is made", () => {
  const cases: [what: string, facts: ZoneFacts, rule: RegExp | undefined][] = [
    ["nothing wrong", facts([MX, SPF]), undefined],
    ["two SPF records", facts([record("@", "TXT", ["v=spf1 a -all", "v=spf1 mx -all"])]), /one SPF record/],
    [
      "two SPF records in the zone",
      facts([SPF], {
        held: [record("@", "TXT", ['"v=spf1 a:smtp.example.org -all"', '"v=spf1 -all"'])],
        adoptExisting: true,
      }),
      /one SPF record/,
    ],
    ["an MX at an address", facts([record("@", "MX", ["10 192.0.2.1."])]), /MX names a host/],
    [
      "an MX at a CNAME of the zone",
      facts([MX], { held: [record("mx", "CNAME", ["www"])] }),
      /MX names a host/,
    ],
    [
      "a name that is a CNAME",
      facts([record("smtp", "A", ["192.0.2.1"])], { held: [record("smtp", "CNAME", ["x"])] }),
      /stands alone/,
    ],
    ["a string of 256 bytes", facts([record("x", "TXT", [`"${"a".repeat(256)}"`])]), /255 bytes/],
    [
      "a text that is split",
      facts([record("x", "TXT", [`"${"a".repeat(255)}" "${"a".repeat(255)}"`])]),
      undefined,
    ],
    ["a text that will be split", facts([record("x", "TXT", ["a".repeat(600)])]), undefined],
    [
      "a set too large for an answer",
      facts([record("x", "TXT", ["a".repeat(40_000), "b".repeat(40_000)])]),
      /size of a record set/,
    ],
    ["DMARC that is none", facts([record("_dmarc", "TXT", ["v=DMARC1; p=monitor"])]), /DMARC syntax/],
    ["a policy without the MX", facts([MX], { stsHosts: ["mail.example.org"] }), /policy covers/],
    ["a policy with the MX", facts([MX], { stsHosts: ["*.example.org"] }), undefined],
    [
      "another's SPF record in the zone",
      facts([SPF], { held: [record("@", "TXT", ['"v=spf1 include:x.example ~all"'])] }),
      /what others entered/,
    ],
    [
      "another's text in the zone",
      facts([SPF], { held: [record("@", "TXT", ['"site-verification=1"'])] }),
      /what others entered/,
    ],
    [
      "our own SPF record in the zone",
      facts([SPF], { held: [record("@", "TXT", ['"v=spf1 a:smtp.example.org -all"'])], published: [SPF] }),
      undefined,
    ],
    [
      "an SPF record as ours that isn't the stack's",
      facts([SPF], { held: [record("@", "TXT", ['"v=spf1 a:smtp.example.org -all"'])] }),
      /^error: what others entered stays$/,
    ],
    [
      "a record as ours that isn't the stack's",
      facts([MX], { held: [record("@", "MX", ["10 mx"])] }),
      /^error: what others entered stays$/,
    ],
    [
      "records as ours that are to be the stack's",
      facts([MX, SPF], {
        held: [record("@", "MX", ["10 mx"]), record("@", "TXT", ['"v=spf1 a:smtp.example.org -all"'])],
        adoptExisting: true,
      }),
      undefined,
    ],
    [
      "a key of others where ours is to be",
      facts([], { pending: [KEY], held: [{ ...KEY, ttl: 300, values: ['"v=DKIM1; p=BBBB"'] }] }),
      /^error: what others entered stays$/,
    ],
    [
      "a key of others that is to be replaced",
      facts([], {
        pending: [KEY],
        held: [{ ...KEY, ttl: 300, values: ['"v=DKIM1; p=BBBB"'] }],
        adoptExisting: true,
      }),
      /^warning: what others entered stays$/,
    ],
    [
      "the stack's own key",
      facts([], {
        pending: [KEY],
        held: [{ ...KEY, ttl: 300, values: ['"v=DKIM1; p=AAAA"'] }],
        published: [{ ...KEY, ttl: 300, values: ["v=DKIM1; p=AAAA"] }],
      }),
      undefined,
    ],
    [
      "a host that moves while others remember",
      facts([record("mx", "A", ["192.0.2.2"])], { held: [record("mx", "A", ["192.0.2.1"], 10_800)] }),
      /short TTL/,
    ],
    [
      "a host of the stack's own that moves",
      facts([record("mx", "A", ["192.0.2.2"])], {
        held: [record("mx", "A", ["192.0.2.1"], 10_800)],
        published: [record("mx", "A", ["192.0.2.1"], 10_800)],
      }),
      undefined,
    ],
    [
      "a host that moves soon forgotten",
      facts([record("mx", "A", ["192.0.2.2"])], {
        held: [record("mx", "A", ["192.0.2.1"], 300)],
        adoptExisting: true,
      }),
      /^warning: what others entered stays$/,
    ],
    [
      "another's mail service in the zone",
      facts([MX, record("_imaps._tcp", "SRV", ["0 1 993 imap.example.org."])], {
        held: [
          record("@", "MX", ["10 spool.provider.example."]),
          record("_imaps._tcp", "SRV", ["0 1 993 mail.provider.example."]),
        ],
      }),
      /^error: what others entered stays\nerror: what others entered stays$/,
    ],
    [
      "another's mail service that is to be replaced",
      facts([MX], { held: [record("@", "MX", ["10 spool.provider.example."])], adoptExisting: true }),
      /^warning: what others entered stays$/,
    ],
    [
      "the same record in another spelling and order",
      facts([record("@", "MX", ["10 a.example.org.", "20 b.example.org."])], {
        held: [record("@", "MX", ["20 b", "010 A.example.org."])],
        adoptExisting: true,
      }),
      undefined,
    ],
    [
      "a backup that somebody added to the stack's own, and that stays",
      facts([MX], { held: [record("@", "MX", ["10 mx", "20 backup.example."])], published: [MX] }),
      undefined,
    ],
    [
      "a backup that somebody added to the stack's own, which changes",
      facts([{ ...MX, ttl: 600 }], {
        held: [record("@", "MX", ["10 mx", "20 backup.example."])],
        published: [MX],
      }),
      /^warning: what others entered stays$/,
    ],
    [
      "a name below one that the zone gives away",
      facts([record("_dmarc.shop", "TXT", ["v=DMARC1; p=none"])], {
        held: [record("shop", "NS", ["ns.example."]), record("@", "NS", ["ns-1.gandi.net."])],
      }),
      /a name is in its zone/,
    ],
    [
      "the name of a key below one that the zone gives away",
      facts([], {
        pending: [{ zone: "example.org", name: "semail1._domainkey", type: "TXT" }],
        held: [record("_domainkey", "NS", ["ns.vendor.example."])],
      }),
      /a name is in its zone/,
    ],
    [
      "the name of a key that is a CNAME",
      facts([], {
        pending: [{ zone: "example.org", name: "semail1._domainkey", type: "TXT" }],
        held: [record("semail1._domainkey", "CNAME", ["key.vendor.example."])],
      }),
      /stands alone/,
    ],
    [
      "a name below a DNAME",
      facts([record("mx.eu", "A", ["192.0.2.1"])], { held: [record("eu", "DNAME", ["example.net."])] }),
      /a name is in its zone/,
    ],
    [
      "a name beside those that the zone gives away, and under a wildcard",
      facts([MX, SPF], {
        held: [
          record("shop", "NS", ["ns.example."]),
          record("*", "CNAME", ["www"]),
          record("x", "DNAME", ["y."]),
        ],
      }),
      undefined,
    ],
    ["a zone that is a CNAME", facts([MX], { held: [record("@", "CNAME", ["x.example."])] }), /stands alone/],
    [
      "a hundred values, none of them the stack's",
      facts([MX], {
        held: [
          record(
            "@",
            "MX",
            Array.from({ length: 100 }, (_, at) => `${at} mx${at}.example.`),
          ),
        ],
      }),
      /what others entered/,
    ],
  ];
  for (const [what, given, rule] of cases)
    it(what, () => {
      const rules = checkZone(given).map(({ severity, rule }) => `${severity}: ${rule}`);
      if (rule === undefined) assert.deepEqual(rules, []);
      else assert.match(rules.join("\n"), rule);
    });

  it("and what it quotes of a zone is no command to a terminal", () => {
    const held = [record("@", "TXT", ['"\\027[2J\\226\\128\\174evil"'])];
    const text = describeFindings(checkZone(facts([SPF], { held })));
    assert.match(text, /which this would replace \(what others entered stays\):\n +- /);
    assert.match(text, /- \\u\{1b\}\[2J\\u\{202e\}evil/);
    assert.doesNotMatch(text, /(?!\n)\p{C}/u);
  });

  it("and all of them at once, each with record and remedy", () => {
    const findings = checkZone(
      facts([record("@", "MX", ["10 192.0.2.1."]), record("_dmarc", "TXT", ["v=DMARC1; p=x; pct=200"])]),
    );
    assert.equal(findings.length, 3);
    for (const { remedy, record: at } of findings) assert.ok(remedy && at.includes("example.org"));
  });
});

const term = fc.constantFrom(
  "mx",
  "a",
  "ip4:192.0.2.0/24",
  "include:x.example",
  "include:y.example",
  "~exists:z",
);
const last = fc.constantFrom("-all", "~all", "?all", "redirect=r.example", "");
const spf = fc
  .tuple(fc.uniqueArray(term), last)
  .map(([terms, end]) => ["v=spf1", ...terms, end].filter(Boolean).join(" "));
const OWN = ["a:smtp.example.org"];
/** Records as people write them: any case, blanks, `all` in the middle, two of ours or none of them there. */
const written = fc
  .tuple(
    fc.constantFrom("v=spf1", "V=SPF1"),
    fc.array(
      fc.tuple(
        fc.oneof(term, last, fc.constantFrom("MX", "+All", "exp=e.example", "A:smtp.example.org")),
        fc.constantFrom(" ", "  "),
      ),
    ),
  )
  .map(([version, terms]) => version + terms.map(([text, blank]) => blank + text).join(""));
const wordsOf = (text: string): string[] => text.trim().split(/ +/);

describe("merging SPF records", () => {
  it("has ours in it, keeps each of theirs in its order, and does so once", () => {
    fc.assert(
      fc.property(spf, (text) => {
        const merged = mergeSpf(text, OWN);
        assert.deepEqual(missingTerms(merged, OWN), []);
        assert.equal(merged.replace(` ${OWN[0]}`, ""), text);
        assert.equal(mergeSpf(merged, OWN), merged);
      }),
    );
  });

  it("lets us send whatever the record was like, and loses none of its terms", () => {
    const all = ["a:smtp.example.org", "ip6:2001:db8::1"];
    fc.assert(
      fc.property(written, (text) => {
        const merged = mergeSpf(text, all);
        const [version, ...terms] = wordsOf(merged);
        assert.equal(version, "v=spf1");
        const added = missingTerms(text, all);
        const theirs = wordsOf(text).slice(1).filter(Boolean);
        assert.deepEqual(
          terms.filter((each) => !added.includes(each)),
          theirs,
        );
        const end = terms.findIndex((each) => /^[-+~?]?all$|^redirect=/i.test(each));
        for (const each of added) assert.ok(end < 0 || terms.indexOf(each) < end, merged);
        // Behind `all` nothing counts.
        const decisive = terms.findIndex((each) => /^[-+~?]?all$/i.test(each));
        const looked = decisive < 0 ? terms : terms.slice(0, decisive);
        for (const each of all)
          assert.ok(
            looked.some((term) => term.toLowerCase() === each),
            merged,
          );
        assert.equal(mergeSpf(merged, all), merged);
        assert.ok(!merged.includes("  "));
      }),
    );
  });

  it("puts ours before what decides about all others", () => {
    assert.equal(mergeSpf("v=spf1 include:x ~all", OWN), "v=spf1 include:x a:smtp.example.org ~all");
    assert.equal(
      mergeSpf("v=spf1 -all a:smtp.example.org", OWN),
      "v=spf1 a:smtp.example.org -all a:smtp.example.org",
    );
    assert.equal(mergeSpf("v=spf1 redirect=x", OWN), "v=spf1 a:smtp.example.org redirect=x");
  });
});

describe("the machine's resolver", () => {
  const failing = (codes: readonly string[]) => {
    const asked: string[] = [];
    const fail = async (name: string): Promise<never> => {
      asked.push(name);
      throw Object.assign(new Error(name), { code: codes[asked.length - 1] });
    };
    const all = {
      resolve4: fail,
      resolve6: fail,
      resolveMx: fail,
      resolveNs: fail,
      resolveTxt: fail,
      reverse: fail,
    };
    return { asked, resolver: askResolver(all) };
  };

  it("is asked on after a name that is broken, and no more once it is silent", async () => {
    const { asked, resolver } = failing(["ESERVFAIL", "ENOTFOUND", "ETIMEOUT"]);
    const found = [];
    for (const name of ["broken.example", "none.example", "slow.example", "more.example"])
      found.push(await resolver.ask(name, "TXT"));
    assert.deepEqual(found, [undefined, [], undefined, undefined]);
    assert.deepEqual(asked, ["broken.example", "none.example", "slow.example"]);
  });
});

describe("what evaluating an SPF record costs", () => {
  const zone: Record<string, string[] | undefined> = {
    "x.example TXT": ["other", "v=spf1 a mx include:y.example -all"],
    "y.example TXT": ["v=spf1 ip4:192.0.2.0/24 -all"],
    "loop.example TXT": ["v=spf1 include:loop.example -all"],
    "silent.example TXT": undefined,
    "x.example A": ["192.0.2.1"],
    "x.example MX": ["m.x.example"],
  };
  const ask = async (name: string, type: string) =>
    `${name} ${type}` in zone ? zone[`${name} ${type}`] : [];
  const cases: [text: string, lookups: number, voids: number, broken: string[], unknown: string[]][] = [
    ["v=spf1 ip4:192.0.2.1 -all", 0, 0, [], []],
    ["v=spf1 include:x.example -all", 4, 0, [], []],
    ["v=spf1 redirect=y.example", 1, 0, [], []],
    ["v=spf1 a:no.example mx:no.example a:x.example/24 -all", 3, 2, [], []],
    ["v=spf1 include:no.example -all", 1, 1, ["no.example"], []],
    ["v=spf1 include:loop.example -all", 2, 0, ["loop.example"], []],
    ["v=spf1 include:silent.example -all", 1, 0, [], ["silent.example"]],
    ["v=spf1 a:x.example -all redirect=no.example a:no.example", 1, 0, [], []],
    ["v=spf1 redirect=no.example ~all", 0, 0, [], []],
    ["v=spf1 exists:%{i}.x.example ptr -all", 2, 0, [], []],
  ];
  for (const [text, lookups, voids, broken, unknown] of cases)
    it(text, async () =>
      assert.deepEqual(await spfCost(text, "example.org", ask), { lookups, voids, broken, unknown }),
    );
});

describe("a model beside what its zone holds", () => {
  const model = (raw: Record<string, unknown>) => {
    const { config } = parseConfig({ domain: "example.org", host: { address: "192.0.2.25" }, ...raw });
    assert.ok(config);
    return buildModel(config, { project: "semail", stack: "prod" });
  };
  const held = [record("@", "TXT", ['"site-verification=1"', '"v=spf1 include:y.example ~all"'])];
  const asking = (texts: Record<string, string[] | undefined>, names: string[] | undefined) => ({
    published: [],
    resolver: {
      ask: async (name: string) => (name in texts ? texts[name] : []),
      reverse: async (_address: string): Promise<string[] | undefined> => names,
      servers: async (): Promise<string[] | undefined> => [],
    },
  });
  const PTR = ["smtp.example.org"];

  it("keeps what others entered where told to merge, and is left in the zone with it", () => {
    const txt = mergeHeld(model({ dns: { spf: "merge" } }), held).find(
      ({ name, type }) => name === "@" && type === "TXT",
    );
    assert.deepEqual(txt?.values, [
      "site-verification=1",
      "v=spf1 include:y.example a:smtp.example.org ~all",
    ]);
    assert.equal(txt?.shared, true);
    assert.deepEqual(mergeHeld(model({}), held), model({}).records);
  });

  it("changes no record when it wants what was published, others' texts among it", () => {
    const merging = model({ dns: { spf: "merge" } });
    const published = mergeHeld(merging, held);
    assert.deepEqual(unchangedRecords(merging, published), published);
    assert.deepEqual(unchangedRecords(model({}), model({}).records), model({}).records);
    const [first, ...rest] = published;
    for (const changed of [
      rest,
      [{ ...first, ttl: 600 }, ...rest],
      [{ ...first, values: ["192.0.2.99"] }, ...rest],
    ] as HeldRecord[][])
      assert.equal(unchangedRecords(merging, changed), undefined);
    const { records } = model({ domains: ["example.net"] });
    for (const fewer of [{}, { domains: ["example.net"], leaving: ["example.net"] }])
      assert.equal(unchangedRecords(model(fewer), records), undefined);
  });

  it("warns of a sending host's IPv6 address without a PTR record", async () => {
    const both = model({ host: { address: "192.0.2.1", address6: "2001:db8::1" } });
    const asked: string[] = [];
    const found = await findFaults(both, [], {
      ...asking({}, PTR),
      resolver: {
        ...asking({}, PTR).resolver,
        reverse: async (address: string) => {
          asked.push(address);
          return address.includes(":") ? [] : PTR;
        },
      },
    });
    assert.deepEqual(asked, ["192.0.2.1", "2001:db8::1"]);
    assert.deepEqual(
      found.map(({ record }) => record),
      ["2001:db8::1 PTR"],
    );
  });

  it("warns when the world asks other name servers than LiveDNS's", async () => {
    const live = model({ dns: { provider: "gandi" } });
    const withServers = async (servers: string[] | undefined) => {
      const { resolver, ...rest } = asking({}, PTR);
      const found = await findFaults(live, [], {
        ...rest,
        resolver: { ...resolver, servers: async () => servers },
      });
      return found.map(({ rule, remedy }) => `${rule}: ${remedy}`).join();
    };
    assert.equal(await withServers(["ns-1-a.gandi.net", "ns-2-b.gandi.net"]), "");
    assert.equal(await withServers(undefined), "");
    assert.match(await withServers(["ns1.other.example"]), /^LiveDNS serves the zone: .*Nameservers/);
    assert.match(await withServers([]), /^LiveDNS serves the zone/);
  });

  it("has no finding by default", async () =>
    assert.deepEqual(await findFaults(model({}), [], asking({}, PTR)), []));

  it("warns of a PTR record that is missing or names another", async () => {
    for (const names of [[], ["host.provider.example"], undefined]) {
      const [finding, ...more] = await findFaults(model({}), [], asking({}, names));
      assert.deepEqual([finding?.severity, more.length], ["warning", 0]);
      assert.match(finding?.rule ?? "", /PTR/);
    }
  });

  it("lets reports go abroad only where they are welcome", async () => {
    const abroad = model({ dns: { dmarc: { rua: ["d@reports.example"] } } });
    const name = "example.org._report._dmarc.reports.example";
    const severities = async (texts: string[] | undefined) =>
      (await findFaults(abroad, [], asking({ [name]: texts }, PTR))).map(({ severity }) => severity);
    assert.deepEqual(await severities(["v=DMARC1"]), []);
    assert.deepEqual(await severities([]), ["error"]);
    assert.deepEqual(await severities(undefined), ["warning"]);
  });
});
