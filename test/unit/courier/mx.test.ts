import assert from "node:assert/strict";
import { test } from "node:test";
import { findAddresses, findHosts, someAddresses } from "../../../mailserver/courier/mx.ts";
import { createDns } from "../../../mailserver/dns/resolver.ts";
import { makeAddress } from "../../../mailserver/smtp/address.ts";
import { fakeDns } from "../../support/fake-dns.ts";

const dns = fakeDns({
  "pref.test": {
    mx: [
      [20, "b.test"],
      [10, "A.test."],
      [30, "c.test"],
    ],
  },
  "equal.test": {
    mx: [
      [10, "a.test"],
      [10, "b.test"],
      [10, "c.test"],
    ],
  },
  "null.test": { mx: [[0, ""]] },
  "odd.test": {
    mx: [
      [10, "a\r\nBcc: eve.test"],
      [10, "a\tb.test"],
      [10, "a\u001b[2J.test"],
      [20, "a_1.test"],
    ],
  },
  "nonsense.test": { mx: [[10, "a\r\nBcc: eve.test"]] },
  "nomx.test": { a: ["192.0.2.1"] },
  "nomx6.test": { aaaa: ["2001:db8::1"] },
  "news_letter._x.test": { mx: [[10, "a.test"]] },
  "_.test": { a: ["192.0.2.1"] },
  "nothing.test": {},
  "servfail.test": { mx: "ESERVFAIL" },
  "timeout.test": { mx: "ETIMEOUT" },
  "endless.test": { mx: "EMSGSIZE" },
  "unmapped.test": { mx: "EBADNAME" },
  "refused.test": { mx: "EREFUSED" },
  "halfdead.test": { a: "ESERVFAIL" },
  "ours.test": {
    mx: [
      [10, "a.test"],
      [20, "mail.semail.test"],
      [20, "b.test"],
      [30, "c.test"],
    ],
  },
  "loop.test": {
    mx: [
      [10, "mail.semail.test"],
      [20, "b.test"],
    ],
  },
  "mail.semail.test": { a: ["192.0.2.9"] },
  "both.test": { a: ["192.0.2.1", "192.0.2.2"], aaaa: ["2001:db8::1"] },
  "bad6.test": { a: ["192.0.2.1"], aaaa: "ESERVFAIL" },
});
const ownNames = ["mail.semail.test"];
const random = () => 0.5;

const routes = [
  { domain: "pref.test", hosts: ["a.test", "b.test", "c.test"] },
  { domain: "nomx.test", hosts: ["nomx.test"] },
  { domain: "nomx6.test", hosts: ["nomx6.test"] },
  { domain: "news_letter._x.test", hosts: ["a.test"] },
  { domain: "_.test", hosts: ["_.test"] },
  { domain: "[192.0.2.7]", hosts: ["192.0.2.7"] },
  { domain: "[IPv6:2001:db8::7]", hosts: ["2001:db8::7"] },
  { domain: "ours.test", hosts: ["a.test"] },
  { domain: "odd.test", hosts: ["a_1.test"] },
  { domain: "nonsense.test", kind: "temporary", status: "4.4.4" },
  { domain: "null.test", kind: "permanent", status: "5.1.10" },
  { domain: "absent.test", kind: "permanent", status: "5.1.2" },
  { domain: "nothing.test", kind: "permanent", status: "5.1.2" },
  { domain: "loop.test", kind: "permanent", status: "5.4.6" },
  { domain: "mail.semail.test", kind: "permanent", status: "5.4.6" },
  { domain: "servfail.test", kind: "temporary", status: "4.4.3" },
  { domain: "timeout.test", kind: "temporary", status: "4.4.3" },
  { domain: "refused.test", kind: "temporary", status: "4.4.3" },
  { domain: "endless.test", kind: "temporary", status: "4.4.3" },
  { domain: "unmapped.test", kind: "permanent", status: "5.1.2" },
  { domain: "halfdead.test", kind: "temporary", status: "4.4.3" },
] as const;
for (const { domain, ...want } of routes) {
  test(`${domain}: ${"hosts" in want ? want.hosts.join(", ") : `${want.kind} ${want.status}`}`, async () => {
    const route = await findHosts(domain, { dns, random, ownNames });
    const found =
      route.kind === "hosts"
        ? { hosts: route.hosts }
        : { kind: route.outcome.kind, status: route.outcome.reply.enhanced };
    assert.deepEqual(found, want);
  });
}

const IMPOSSIBLE: Readonly<Record<string, string>> = {
  "too long as an A-label": `${"ä".repeat(60)}.test`,
  "too long as A-labels": `${"äöü.".repeat(45)}test`,
  "letters of both directions": "\u0627ab1.test",
  "a number at the end": "bücher.123",
  "a label that comes to nothing": "\u3164.test",
};
for (const [why, domain] of Object.entries(IMPOSSIBLE)) {
  test(`a domain that can't be in DNS is refused for good, and nobody is asked: ${why}`, async () => {
    const asksNobody = createDns([], { now: Date.now });
    const route = await findHosts(makeAddress("a", domain).domain, { dns: asksNobody, random, ownNames });
    assert.ok(route.kind === "none");
    assert.deepEqual([route.outcome.kind, route.outcome.reply.enhanced], ["permanent", "5.1.2"]);
  });
}

test("equal preferences are shuffled", async () => {
  const draws = [0.9, 0.1, 0.5];
  const route = await findHosts("equal.test", { dns, random: () => draws.shift() ?? 0, ownNames });
  assert.deepEqual(route.kind === "hosts" && route.hosts, ["b.test", "c.test", "a.test"]);
});

const addresses = [
  { host: "both.test", want: ["192.0.2.1", "192.0.2.2", "2001:db8::1"] },
  { host: "bad6.test", want: ["192.0.2.1"] },
  { host: "192.0.2.7", want: ["192.0.2.7"] },
  { host: "absent.test", want: "4.4.4" },
  { host: "halfdead.test", want: "4.4.3" },
] as const;
for (const { host, want } of addresses) {
  test(`addresses of ${host}: ${want}`, async () => {
    const found = await findAddresses(host, dns);
    assert.deepEqual(found.kind === "addresses" ? found.addresses : found.outcome.reply.enhanced, want);
  });
}

const [A, AAAA] = [
  ["1.0.0.1", "1.0.0.2", "1.0.0.3", "1.0.0.4", "1.0.0.5"],
  ["2600::1", "2600::2", "2600::3", "2600::4", "2600::5"],
];
for (const { v4, v6, expected } of [
  { v4: 1, v6: 0, expected: [1, 0] },
  { v4: 5, v6: 0, expected: [4, 0] },
  { v4: 0, v6: 5, expected: [0, 4] },
  { v4: 5, v6: 1, expected: [3, 1] },
  { v4: 1, v6: 5, expected: [1, 3] },
  { v4: 5, v6: 5, expected: [2, 2] },
] as const) {
  test(`of ${v4} IPv4 and ${v6} IPv6 addresses, four leave ${expected.join(" and ")}`, () => {
    const [four, six] = expected;
    assert.deepEqual(someAddresses([...A.slice(0, v4), ...AAAA.slice(0, v6)], 4), [
      ...A.slice(0, four),
      ...AAAA.slice(0, six),
    ]);
  });
}
