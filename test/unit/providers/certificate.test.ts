import "reflect-metadata";
import assert from "node:assert/strict";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { before, test } from "node:test";
import { connect, createServer } from "node:tls";
import { BasicConstraintsExtension, X509Certificate as LibraryCertificate } from "@peculiar/x509";
import fc from "fast-check";
import * as authority from "../../../components/providers/certificate/authority.ts";
import * as leaf from "../../../components/providers/certificate/crud.ts";
import {
  compareAuthority,
  compareCertificate,
  isDue,
  validity,
} from "../../../components/providers/certificate/diff.ts";
import { issueAuthority, issueCertificate } from "../../../components/providers/certificate/issue.ts";
import { UNKNOWN } from "../../../components/providers/validate.ts";

const now = new Date("2030-01-01T12:00:00Z");
const DAY = 86_400_000;
const later = (days: number) => new Date(now.getTime() + days * DAY);
let ca: Awaited<ReturnType<typeof issueAuthority>>;
before(async () => {
  ca = await issueAuthority("#Test, CA=1", 3650, now);
});
const request = {
  dnsNames: ["mail.semail.test", "*.semail.test"],
  ipAddresses: ["127.0.0.1", "fd00::1"],
  days: 90,
  now,
};

test("the authority is a self-signed CA that can issue no further CA", () => {
  const certificate = new X509Certificate(ca.certificatePem);
  assert.ok(certificate.ca);
  const { extensions } = new LibraryCertificate(ca.certificatePem);
  const constraints = extensions.find((extension) => extension instanceof BasicConstraintsExtension);
  assert.deepEqual([constraints?.ca, constraints?.pathLength, constraints?.critical], [true, 0, true]);
  assert.ok(certificate.checkIssued(certificate) && certificate.verify(certificate.publicKey));
  assert.ok(certificate.checkPrivateKey(createPrivateKey(ca.privateKeyPem)));
  assert.equal(certificate.validToDate.toISOString(), ca.notAfter);
  assert.match(certificate.serialNumber, /^[4-7][0-9A-F]{31}$/);
});

test("a certificate names its hosts, has its own key and its issuer's signature", async () => {
  const issued = await issueCertificate(ca, request);
  const certificate = new X509Certificate(issued.certificatePem);
  const root = new X509Certificate(ca.certificatePem);
  assert.ok(certificate.checkIssued(root) && certificate.verify(root.publicKey));
  assert.ok(!certificate.ca);
  assert.equal(certificate.checkHost("mail.semail.test"), "mail.semail.test");
  assert.equal(certificate.checkHost("imap.semail.test"), "*.semail.test");
  assert.equal(certificate.checkHost("semail.example"), undefined);
  assert.equal(certificate.checkIP("127.0.0.1"), "127.0.0.1");
  assert.equal(certificate.publicKey.asymmetricKeyDetails?.namedCurve, "prime256v1");
  assert.ok(certificate.checkPrivateKey(createPrivateKey(issued.privateKeyPem)));
  assert.deepEqual(certificate.keyUsage, ["1.3.6.1.5.5.7.3.1"]);
  assert.equal(certificate.validToDate.getTime(), now.getTime() + 90 * DAY);
  assert.ok(certificate.validFromDate < now);
  assert.ok(issued.certificatePem.endsWith(ca.certificatePem), "the chain ends with the authority");
});

test("a TLS client that trusts the authority accepts the server", async () => {
  const today = new Date();
  const root = await issueAuthority("Today", 30, today);
  const issued = await issueCertificate(root, { ...request, now: today });
  const server = createServer({ cert: issued.certificatePem, key: issued.privateKeyPem }, (s) => s.end());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  assert.ok(address && typeof address === "object");
  const options = { port: address.port, host: "127.0.0.1", servername: "mail.semail.test" };
  try {
    await new Promise<void>((resolve, reject) => {
      const socket = connect({ ...options, ca: root.certificatePem }, () => socket.end());
      socket.resume().on("error", reject).on("close", resolve);
    });
  } finally {
    server.close();
  }
});

test("a name too long for a subject is an alternative name alone", async () => {
  const name = `${"a".repeat(60)}.semail.test`;
  const issued = await issueCertificate(ca, { ...request, dnsNames: [name] });
  const certificate = new X509Certificate(issued.certificatePem);
  assert.ok(!certificate.subject);
  assert.equal(certificate.checkHost(name), name);
});

test("no certificate outlives its authority, and an ended or foreign authority issues none", async () => {
  const issued = await issueCertificate(ca, { ...request, now: later(3600) });
  assert.equal(issued.notAfter, ca.notAfter);
  await assert.rejects(issueCertificate(ca, { ...request, now: later(3651) }), /renew it first/);
  const other = await issueAuthority("Other", 10, now);
  const mixed = { certificatePem: ca.certificatePem, privateKeyPem: other.privateKeyPem };
  await assert.rejects(issueCertificate(mixed, request), /not the key of caCertificatePem/);
});

const outs = {
  caCertificatePem: "ca",
  dnsNames: ["a.test", "b.test"],
  ipAddresses: ["::1", "127.0.0.1"],
  days: 90,
  notAfter: later(60).toISOString(),
};
const news = { ...outs, renewBeforeDays: 30, caPrivateKeyPem: "key" };
const changes = [
  { name: "nothing changed", news, changes: false },
  { name: "names in another order", news: { ...news, ipAddresses: ["127.0.0.1", "::1"] }, changes: false },
  { name: "another first name", news: { ...news, dnsNames: ["b.test", "a.test"] }, changes: true },
  { name: "one name more", news: { ...news, dnsNames: ["a.test", "b.test", "c.test"] }, changes: true },
  { name: "one address less", news: { ...news, ipAddresses: ["::1"] }, changes: true },
  { name: "another authority", news: { ...news, caCertificatePem: "other" }, changes: true },
  { name: "an authority not known yet", news: { ...news, caCertificatePem: UNKNOWN }, changes: true },
  { name: "another lifetime", news: { ...news, days: 30 }, changes: true },
  { name: "renewal due", news: { ...news, renewBeforeDays: 60 }, changes: true },
  { name: "renewal due tomorrow", news: { ...news, renewBeforeDays: 59 }, changes: false },
  { name: "renewal time not known yet", news: { ...news, renewBeforeDays: UNKNOWN }, changes: false },
];
for (const { name, news, changes: wanted } of changes) {
  test(`certificate diff: ${name}`, () => {
    assert.deepEqual(compareCertificate({ olds: outs, news, now }), { changes: wanted, replaces: [] });
  });
}

const authorityChanges: readonly [
  what: string,
  news: object,
  days: number,
  changes: boolean,
  replaces: string[],
][] = [
  ["nothing", {}, 0, false, []],
  ["another name", { commonName: "B" }, 0, true, ["commonName"]],
  ["another lifetime", { days: 400 }, 0, true, ["days"]],
  // What is protected can't be replaced.
  ["the end of its time, in place", {}, 20, true, []],
  ["its end, in place", {}, 300, true, []],
  ["a renewal time that isn't known yet", { renewBeforeDays: UNKNOWN }, 20, false, []],
];
for (const [what, more, days, changes, replaces] of authorityChanges)
  test(`authority diff: ${what}`, () => {
    const olds = { commonName: "A", days: 365, notAfter: later(200).toISOString() };
    const news = { commonName: "A", days: 365, renewBeforeDays: 180, ...more };
    assert.deepEqual(compareAuthority({ olds, news, now: later(days) }), { changes, replaces });
  });

test("an authority that is renewed has the same key, and vouches for what it issued before", async () => {
  const { inputs } = await authority.check({}, { commonName: "Root", days: 100, renewBeforeDays: 10 });
  const old = await authority.create(inputs);
  const { outs } = await authority.update(old.id, { ...old.outs, notAfter: "long ago" }, inputs);
  assert.deepEqual(Object.keys(outs).sort(), Object.keys(old.outs).sort());
  assert.equal(outs.privateKeyPem, old.outs.privateKeyPem);
  const [before, root] = [old.outs, outs].map(({ certificatePem }) => new X509Certificate(certificatePem));
  assert.ok(before && root);
  assert.notEqual(root.serialNumber, before.serialNumber);
  assert.equal(root.subject, before.subject);
  assert.ok(root.verify(root.publicKey) && root.ca);
  const [one, other] = await Promise.all(
    [old.outs, outs].map((by) => issueCertificate(by, { ...request, now: new Date() })),
  );
  for (const { certificatePem = "" } of [one ?? {}, other ?? {}])
    for (const by of [before, root]) {
      const leaf = new X509Certificate(certificatePem);
      assert.ok(leaf.checkIssued(by) && leaf.verify(by.publicKey));
    }
  const { changes } = await authority.diff(old.id, outs, inputs);
  assert.equal(changes, false);
});

test("a certificate fresh from issue is never due", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 825 }), fc.date({ noInvalidDate: true }), (days, at) => {
      fc.pre(Math.abs(at.getTime()) < 8e15);
      return !isDue(validity(at, days).notAfter.toISOString(), days - 1, at);
    }),
  );
  assert.ok(isDue("gibberish", 1, now), "an unreadable date is due");
});

const bad = [
  {
    name: "a renewal longer than the life",
    props: { days: 30, renewBeforeDays: 30 },
    property: "renewBeforeDays",
  },
  { name: "no names", props: { dnsNames: [] }, property: "dnsNames" },
  { name: "a name with a trailing dot", props: { dnsNames: ["a.test."] }, property: "dnsNames.0" },
  { name: "no address", props: { ipAddresses: ["1.2.3"] }, property: "ipAddresses.0" },
  {
    name: "a key where the certificate goes",
    props: { caCertificatePem: "-----BEGIN PRIVATE KEY-----" },
    property: "caCertificatePem",
  },
];
for (const { name, props, property } of bad) {
  test(`certificate check refuses: ${name}`, async () => {
    const good = {
      caCertificatePem: ca.certificatePem,
      caPrivateKeyPem: ca.privateKeyPem,
      dnsNames: ["a.test"],
    };
    const { failures } = await leaf.check({}, { ...good, ...props });
    assert.deepEqual(
      failures.map((f) => f.property),
      [property],
    );
    assert.ok(!JSON.stringify(failures).includes("PRIVATE KEY-----\n"), "no key in the message");
  });
}

test("create and update keep the authority's key out of the outputs", async () => {
  const root = await authority.create({ commonName: "Root" });
  const { inputs } = await leaf.check(
    {},
    {
      caCertificatePem: root.outs.certificatePem,
      caPrivateKeyPem: root.outs.privateKeyPem,
      dnsNames: ["a.test"],
    },
  );
  const made = await leaf.create(inputs);
  assert.ok(!("caPrivateKeyPem" in made.outs));
  assert.equal((await leaf.diff(made.id, made.outs, inputs)).changes, false);
  const renewed = await leaf.update(made.id, made.outs, inputs);
  assert.notEqual(renewed.outs.privateKeyPem, made.outs.privateKeyPem);
});

test("a certificate for a key that is given keeps it, and another key has it issued anew", async () => {
  const first = await issueCertificate(ca, request);
  const { privateKeyPem: keyPem } = first;
  const second = await issueCertificate(ca, { ...request, keyPem });
  assert.equal(createPrivateKey(second.privateKeyPem).equals(createPrivateKey(keyPem)), true);
  assert.ok(new X509Certificate(second.certificatePem).checkPrivateKey(createPrivateKey(keyPem)));
  assert.notEqual(second.serialNumber, first.serialNumber);
  const olds = {
    ...request,
    caCertificatePem: ca.certificatePem,
    notAfter: later(90).toISOString(),
    renewBeforeDays: 30,
  };
  const changed = (news: object) => compareCertificate({ olds, news: { ...olds, ...news }, now }).changes;
  assert.deepEqual([changed({}), changed({ keyPem })], [false, true]);
});
