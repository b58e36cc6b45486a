import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checkZone, type ZoneFacts } from "../../../stacks/dns/checks.ts";
import { describeFindings } from "../../../stacks/dns/findings.ts";
import type { HeldRecord } from "../../../stacks/dns/held.ts";
import { record } from "./held-record.ts";

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
      "another's mail service that somebody entered over ours, and that a refresh found",
      facts([MX], {
        held: [record("@", "MX", ["10 spool.provider.example."])],
        published: [{ ...record("@", "MX", ["10 spool.provider.example."]), declared: MX.values }],
      }),
      /^warning: what others entered stays$/,
    ],
    [
      "the same, before a refresh that will find it",
      facts([MX], {
        held: [record("@", "MX", ["10 spool.provider.example."])],
        published: [MX],
        refreshes: true,
      }),
      /^warning: what others entered stays$/,
    ],
    [
      "our own record, before a refresh",
      facts([MX], { held: [record("@", "MX", ["10 mx"])], published: [MX], refreshes: true }),
      undefined,
    ],
    [
      "the same, which no refresh found, so that this update leaves it",
      facts([MX], { held: [record("@", "MX", ["10 spool.provider.example."])], published: [MX] }),
      undefined,
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
