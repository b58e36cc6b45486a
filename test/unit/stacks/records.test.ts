import assert from "node:assert/strict";
import { createHash, generateKeyPairSync } from "node:crypto";
import { describe, it } from "node:test";
import { reportReceivers } from "../../../mailserver/tls-report/record.ts";
import { parseConfig } from "../../../stacks/check-config.ts";
import { dmarcFaults, dmarcValue, reportDomains } from "../../../stacks/dns/dmarc.ts";
import { covers, policyHosts, policyText, policyTexts } from "../../../stacks/dns/mta-sts.ts";
import { buildModel, type MailModel } from "../../../stacks/model.ts";
import { tlsaKeyValue, tlsaRecord, tlsaValue } from "../../../stacks/records.ts";
import { zoneFile } from "../../../stacks/zone-file.ts";
import { makeIdentity } from "../../support/identity.ts";

const PUBLIC = { host: { address: "192.0.2.25" } };

function model(raw: Record<string, unknown> = {}): MailModel {
  const { config, problems } = parseConfig({ domain: "example.org", ...raw });
  assert.ok(config && problems.length === 0, JSON.stringify(problems));
  return buildModel(config, { project: "semail", stack: "prod" });
}

/** `zone name type` → values. */
const byKey = (raw: Record<string, unknown>) =>
  Object.fromEntries(
    model(raw).records.map(({ zone, name, type, values }) => [`${name}.${zone} ${type}`, values.join(" | ")]),
  );

describe("the records of a mail domain", () => {
  it("are all there by default", () => {
    assert.deepEqual(byKey(PUBLIC), {
      "mx.example.org A": "192.0.2.25",
      "smtp.example.org A": "192.0.2.25",
      "imap.example.org A": "192.0.2.25",
      "smtp.example.org TXT": "v=spf1 a -all",
      "@.example.org MX": "10 mx.example.org.",
      "@.example.org TXT": "v=spf1 a:smtp.example.org -all",
      "_dmarc.example.org TXT": "v=DMARC1; p=none; rua=mailto:postmaster@example.org",
      "_smtp._tls.example.org TXT": "v=TLSRPTv1; rua=mailto:postmaster@example.org",
      "_submissions._tcp.example.org SRV": "0 1 465 smtp.example.org.",
      "_submission._tcp.example.org SRV": "10 1 587 smtp.example.org.",
      "_imaps._tcp.example.org SRV": "0 1 993 imap.example.org.",
      "_imap._tcp.example.org SRV": "10 1 143 imap.example.org.",
      "_sieve._tcp.example.org SRV": "0 1 4190 imap.example.org.",
      "_pop3._tcp.example.org SRV": "0 0 0 .",
      "_pop3s._tcp.example.org SRV": "0 0 0 .",
    });
  });

  for (const sign of "!#$%&'*-/=?^_`{|}~.") {
    const to = `a${sign}b@example.net`;
    it(`ask for reports to ${to} as a receiver reads it`, () => {
      const records = byKey({ ...PUBLIC, dns: { tlsReports: [to, "c@d.example"], dmarc: { rua: [to] } } });
      const tls = records["_smtp._tls.example.org TXT"] ?? "";
      assert.deepEqual(
        reportReceivers([tls]).map(({ uri }) => uri),
        [`mailto:${to}`, "mailto:c@d.example"],
      );
      const dmarc = records["_dmarc.example.org TXT"] ?? "";
      assert.deepEqual(dmarcFaults(dmarc), []);
      const [uri = ""] = tls.replace(/.*rua=/, "").split(",");
      assert.ok(dmarc.endsWith(`rua=${uri}`), dmarc);
      const { pathname, search, hash } = new URL(uri);
      assert.deepEqual([decodeURIComponent(pathname), search, hash], [to, "", ""]);
      // RFC 7489 section 6.2, RFC 8460 section 3.
      assert.doesNotMatch(uri, /[!;&=]/);
    });
  }

  const cases: [what: string, raw: Record<string, unknown>, wanted: Record<string, string | undefined>][] = [
    [
      "DMARC's policy as it is staged",
      {
        dns: { dmarc: { policy: "quarantine", subdomains: "reject", strict: true, rua: ["d@example.net"] } },
      },
      {
        "_dmarc.example.org TXT":
          "v=DMARC1; p=quarantine; sp=reject; adkim=s; aspf=s; rua=mailto:d@example.net",
      },
    ],
    [
      "no reports where nobody wants them",
      { dns: { dmarc: { rua: [] }, tlsReports: [] } },
      { "_dmarc.example.org TXT": "v=DMARC1; p=none", "_smtp._tls.example.org TXT": undefined },
    ],
    [
      "MTA-STS when asked for",
      { ...PUBLIC, dns: { mtaSts: { mode: "enforce" } } },
      {
        "mta-sts.example.org A": "192.0.2.25",
        "_mta-sts.example.org TXT": "v=STSv1; id=530b0fd564b7ace44924;",
      },
    ],
    [
      "where mail programs look for settings",
      { ...PUBLIC, dns: { autoconfig: true } },
      { "autoconfig.example.org A": "192.0.2.25", "autodiscover.example.org A": "192.0.2.25" },
    ],
    [
      "who may issue certificates",
      { dns: { caa: ["letsencrypt.org", "buypass.com"] } },
      { "@.example.org CAA": '0 issue "letsencrypt.org" | 0 issue "buypass.com"' },
    ],
    [
      "IPv6 addresses",
      { host: { ...PUBLIC.host, address6: "2001:db8::25" }, dns: { autoconfig: true } },
      { "mx.example.org AAAA": "2001:db8::25", "autoconfig.example.org AAAA": "2001:db8::25" },
    ],
    [
      "the ports that are published on a public address",
      { ...PUBLIC, ports: { imaps: 9993 } },
      { "_imaps._tcp.example.org SRV": "0 1 9993 imap.example.org." },
    ],
    [
      "the containers' ports on the containers' addresses",
      { ports: { imaps: 9993 } },
      { "_imaps._tcp.example.org SRV": "0 1 993 imap.example.org." },
    ],
    [
      "a second domain at the first one's host",
      { domains: ["example.net"] },
      {
        "@.example.net MX": "10 mx.example.org.",
        "@.example.net TXT": "v=spf1 a:smtp.example.org -all",
        "_dmarc.example.net TXT": "v=DMARC1; p=none; rua=mailto:postmaster@example.net",
        "_imaps._tcp.example.net SRV": "0 1 993 imap.example.org.",
        "mx.example.net A": undefined,
      },
    ],
    [
      "no MX of a domain that is given up, whose mail may still be on its way",
      { domains: ["example.net", "example.com"], leaving: ["example.net"] },
      {
        "@.example.net MX": undefined,
        "@.example.net TXT": "v=spf1 a:smtp.example.org -all",
        "_dmarc.example.net TXT": "v=DMARC1; p=none; rua=mailto:postmaster@example.net",
        "@.example.com MX": "10 mx.example.org.",
        "@.example.org MX": "10 mx.example.org.",
      },
    ],
  ];
  for (const [what, raw, wanted] of cases)
    it(`have ${what}`, () => {
      const records = byKey(raw);
      for (const [key, value] of Object.entries(wanted)) assert.equal(records[key], value, key);
    });

  it("are no two of a name and type", () => {
    const raw = { domains: ["example.net"], dns: { mtaSts: {}, autoconfig: true, caa: ["ca.example"] } };
    const keys = model({ ...PUBLIC, ...raw }).records.map(
      ({ zone, name, type }) => `${zone} ${name} ${type}`,
    );
    assert.equal(new Set(keys).size, keys.length);
  });

  it("name the authority that outlives the certificates, where the zone is signed", async () => {
    const { ca: pem } = await makeIdentity("mx.example.org");
    const record = tlsaRecord({ domain: "example.org", mx: "mx.example.org", ttl: 300 }, tlsaValue(pem));
    assert.equal(record.name, "_25._tcp.mx");
    assert.match(record.values[0] ?? "", /^2 1 1 [0-9a-f]{64}$/);
  });

  it("name the host's key as well, where a public authority issues for it", () => {
    const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const digest = createHash("sha256")
      .update(publicKey.export({ type: "spki", format: "der" }))
      .digest("hex");
    const pem = publicKey.export({ type: "spki", format: "pem" }).toString();
    assert.equal(tlsaKeyValue(pem), `3 1 1 ${digest}`);
  });

  it("stand in the zone file by domain", () => {
    const file = zoneFile("example.org", model({ domains: ["example.net"] }).records);
    assert.equal(file.split("$ORIGIN example.org.\n").length, 2);
    assert.match(file, /\$ORIGIN example\.net\.\n@\t10800\tIN\tMX\t10 mx\.example\.org\.\n/);
  });
});

describe("a host of two domains", () => {
  const users = {
    alice: { name: "Alice", aliases: ["alice@example.net"] },
    bob: { name: "Bob", addresses: ["bob@example.net"], forward: "abuse@example.net" },
  };

  it("gives people addresses in either, and the postmaster those of both", () => {
    const [alice, bob] = model({ domains: ["example.net"], users }).people;
    assert.deepEqual(bob?.addresses, ["bob@example.net"]);
    assert.deepEqual(alice?.addresses.slice(2), [
      "postmaster@example.org",
      "abuse@example.org",
      "postmaster@example.net",
      "abuse@example.net",
    ]);
  });

  it("refuses an address of a third, a domain twice, and names on the web without a public address", () => {
    const carol = { name: "C", addresses: ["c@example.com"] };
    const raw = {
      domain: "example.org",
      domains: ["example.net", "example.org"],
      users: { carol },
      dns: { mtaSts: {}, autoconfig: true },
    };
    assert.deepEqual(
      parseConfig(raw).problems.map(({ path }) => path),
      ["users.carol.addresses.0", "domains.1", "dns.mtaSts", "dns.autoconfig"],
    );
  });
});

describe("a DMARC record", () => {
  const cases: [text: string, fault: RegExp | undefined][] = [
    ["v=DMARC1; p=none", undefined],
    ["v=DMARC1;p=reject;pct=50;fo=1:d;rua=mailto:a@b.example!10m,mailto:c@d.example", undefined],
    ["p=none; v=DMARC1", /begin with v=DMARC1/],
    ["v=DMARC1; rua=mailto:a@b.example", /second tag must be p=/],
    ["v=DMARC1; p=monitor", /p=monitor/],
    ["v=DMARC1; p=none; pct=101", /pct=101/],
    ["v=DMARC1; p=none; p=reject", /p= is there twice/],
    ["v=DMARC1; p=none; rua=a@b.example", /mailto:ADDRESS/],
    ["v=DMARC1; p=none; rua mailto:a@b.example", /no tag=value/],
  ];
  for (const [text, fault] of cases)
    it(`"${text}" is ${fault ? "refused" : "fine"}`, () => {
      const faults = dmarcFaults(text).join("; ");
      if (fault) assert.match(faults, fault);
      else assert.equal(faults, "");
    });

  it("escapes what means something else in a URI, and tells whose reports go abroad", () => {
    const text = dmarcValue({ policy: "none", strict: false, rua: ["a!b@example.net", "c@example.org"] });
    assert.match(text, /rua=mailto:a%21b@example\.net,/);
    assert.deepEqual(dmarcFaults(text), []);
    assert.deepEqual(reportDomains(text), ["example.net", "example.org"]);
  });
});

describe("an MTA-STS policy", () => {
  const text = policyText({ mode: "testing", maxAge: 86_400 }, ["mx.example.org"]);
  it("is none of a domain that is given up, so that other hosts may take its mail", () => {
    const sts = { dns: { mtaSts: { mode: "enforce" } }, ...PUBLIC };
    const both = { ...sts, domains: ["example.net"] };
    const before = policyTexts(model(both));
    assert.deepEqual(Object.keys(before), ["example.org", "example.net"]);
    assert.equal(before["example.net"], before["example.org"]);
    const leaving = { ...both, leaving: ["example.net"] };
    assert.deepEqual(policyTexts(model(leaving)), {
      ...before,
      "example.net": "version: STSv1\r\nmode: none\r\nmax_age: 86400\r\n",
    });
    // Another id has senders fetch it.
    const id = "_mta-sts.example.net TXT";
    assert.notEqual(byKey(leaving)[id], byKey(both)[id]);
    assert.deepEqual(policyTexts(model({ ...PUBLIC, domains: ["example.net"] })), {});
  });

  it("names its hosts", () => assert.deepEqual(policyHosts(text), ["mx.example.org"]));
  it("is not any text", () => assert.equal(policyHosts("<html>mx: mx.example.org"), undefined));
  it("covers a host by name or by one label", () => {
    assert.ok(covers(["mx.example.org"], "mx.example.org"));
    assert.ok(covers(["*.example.org"], "mx.example.org"));
    assert.ok(!covers(["*.example.org"], "a.mx.example.org"));
    assert.ok(!covers(["*.example.org"], "example.org"));
  });
});
