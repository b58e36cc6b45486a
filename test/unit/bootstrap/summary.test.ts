import assert from "node:assert/strict";
import { test } from "node:test";
import { zoneFile } from "../../../stacks/zone-file.ts";
import {
  imapLine,
  renderSummary,
  Summary,
  shellQuote,
  swaksLine,
  trusted,
} from "../../../tools/bootstrap/summary.ts";

const output = {
  prefix: "semail-dev",
  domain: "semail.test",
  bind: "127.0.0.1",
  ports: { submission: 2587, imaps: 2993, smtp: 2525 },
  people: [
    { uid: "alice", name: "Alice Martin", address: "alice@semail.test", initialPassword: "s3cret-A" },
    { uid: "bob", name: "Bob", address: "bob@semail.test", initialPassword: "it's b" },
  ],
  records: [
    { name: "@", type: "MX", ttl: 300, values: ["10 mx.semail.test."] },
    { name: "s._domainkey", type: "TXT", ttl: 300, values: [`v=DKIM1; p=${"A".repeat(300)}`] },
  ],
  dnsProvider: "none",
  ca: "-----BEGIN CERTIFICATE-----",
  showPasswords: true,
};
const summary = Summary.parse(output);
const hidden = Summary.parse({ ...output, showPasswords: false });

test("the swaks line submits from the first to the second person with TLS, the CA and AUTH", () => {
  assert.equal(
    swaksLine(summary, "/co/ca.pem"),
    "swaks --server 127.0.0.1 --port 2587 --tls --tls-verify --tls-ca-path /co/ca.pem --auth PLAIN " +
      "--auth-user alice@semail.test --auth-password s3cret-A --from alice@semail.test --to bob@semail.test",
  );
});

test("the IMAP line reads the newest mail of the second person, quoted for a shell", () => {
  assert.equal(
    imapLine(summary, "/co/ca.pem"),
    "curl --silent --show-error --cacert /co/ca.pem --user 'bob@semail.test:it'\\''s b' " +
      "'imaps://127.0.0.1:2993/INBOX;MAILINDEX=*'",
  );
});

test("mail that is kept is told with its last day, and nothing where there is none", () => {
  const kept = [{ id: "carol", name: "Carol Petit", until: "2026-03-03" }];
  const files = { ca: "/co/ca.pem", records: "/co/records.zone" };
  assert.match(
    renderSummary({ ...summary, kept }, files),
    /is kept\n {4}carol {2}Carol Petit {2}until 2026-03-03\n/,
  );
  assert.doesNotMatch(renderSummary(summary, files), /is kept/);
});

test("with a certificate of a public authority, programs connect by name and are told nothing of trust", () => {
  const hostnames = { smtp: "smtp.semail.test", imap: "imap.semail.test" };
  const more = {
    ...summary,
    hostnames,
    certificates: { kind: "acme" as const, roots: [] },
    portal: { port: 8443 },
  };
  assert.match(
    swaksLine(more, "/co/ca.pem") ?? "",
    /^swaks --server smtp\.semail\.test --port 2587 --tls --tls-verify --auth /,
  );
  assert.match(
    imapLine(more, "/co/ca.pem") ?? "",
    /^curl [a-z -]+ --user .* 'imaps:\/\/imap\.semail\.test:2993\//,
  );
  const text = renderSummary(more, { ca: "/co/ca.pem", records: "r" });
  assert.match(text, /https:\/\/semail\.test:8443\//);
  assert.doesNotMatch(text, /ca\.pem/);
  const own = {
    ...more,
    certificates: { kind: "acme" as const, roots: ["-----BEGIN CERTIFICATE-----root"] },
  };
  assert.match(swaksLine(own, "/co/ca.pem") ?? "", /--tls-ca-path \/co\/ca\.pem/);
  assert.match(trusted(own) ?? "", /root\n$/);
});

test("who has no mailbox is listed with their password, and writes to nobody", () => {
  const carol = { uid: "aaron", name: "Aaron", initialPassword: "s3cret-C" };
  const more = { ...summary, people: [carol, ...summary.people] };
  assert.match(renderSummary(more, { ca: "c", records: "r" }), /aaron \(no mailbox\) +Aaron +s3cret-C/);
  assert.equal(swaksLine(more, "c"), swaksLine(summary, "c"));
  assert.equal(imapLine(more, "c"), imapLine(summary, "c"));
});

test("the portal is shown with who can try it, and the authority that a browser must trust", () => {
  const dora = { uid: "dora", name: "Dora", initialPassword: "s3cret-D" };
  const files = { ca: "/co/ca.pem", records: "r" };
  const more = { ...summary, portal: { port: 8443 }, people: [...summary.people, dora] };
  const text = renderSummary(more, files);
  assert.match(text, /https:\/\/localhost:8443\//);
  assert.match(text, /sign in as dora with s3cret-D, who has no mailbox yet/);
  assert.match(text, /until it trusts \/co\/ca\.pem/);
  assert.match(renderSummary({ ...more, showPasswords: false }, files), /sign in as dora, who/);
  assert.doesNotMatch(renderSummary({ ...more, people: summary.people }, files), /Try it/);
  assert.doesNotMatch(renderSummary(summary, files), /portal/);
});

test("one person writes to themselves; nobody leaves the lines out", () => {
  const alone = { ...summary, people: summary.people.slice(0, 1) };
  assert.match(swaksLine(alone, "c") ?? "", /--from alice@semail\.test --to alice@semail\.test$/);
  const empty = { ...summary, people: [] };
  assert.equal(swaksLine(empty, "c"), undefined);
  const shown = renderSummary(empty, { ca: "c", records: "/co/records.zone" });
  assert.doesNotMatch(shown, /swaks|curl|People/);
  assert.match(shown, /Nobody has a mailbox yet: add people under `semail:users`/);
});

test("services that listen everywhere are reached on the loopback address", () => {
  for (const bind of ["0.0.0.0", "::", ""]) {
    assert.match(swaksLine({ ...summary, bind }, "c") ?? "", /--server 127\.0\.0\.1 /);
  }
  assert.match(imapLine({ ...summary, bind: "fd00::1" }, "c") ?? "", /imaps:\/\/\[fd00::1\]:2993/);
});

test("passwords are shown only by a stack that says so", () => {
  assert.match(
    renderSummary(summary, { ca: "c", records: "/co/records.zone" }),
    /alice@semail\.test\s+Alice Martin\s+s3cret-A/,
  );
  const text = renderSummary(hidden, { ca: "c", records: "/co/records.zone" });
  assert.doesNotMatch(text, /s3cret-A|it's b|initial passwords/);
  assert.match(text, /--auth-password PASSWORD/);
});

test("a summary that says nothing about passwords hides them", () => {
  const { showPasswords: _, ...rest } = output;
  assert.equal(Summary.parse(rest).showPasswords, false);
});

test("domain, people, ports and records are all there", () => {
  const text = renderSummary(summary, { ca: "c", records: "/co/records.zone" });
  for (const part of [
    "semail.test is up: 2 people.",
    "2 DNS records to enter at your DNS provider\n    /co/records.zone",
    "submission 2587",
    "imaps 2993",
    "bob@semail.test",
  ]) {
    assert.ok(text.includes(part), part);
  }
});

test("the zone file has a line a record, TXT quoted and split at 255", () => {
  const [origin, mx, txt, end] = zoneFile("semail.test", summary.records).split("\n");
  assert.equal(origin, "$ORIGIN semail.test.");
  assert.equal(mx, "@\t300\tIN\tMX\t10 mx.semail.test.");
  assert.match(txt ?? "", /^s\._domainkey\t300\tIN\tTXT\t"v=DKIM1; p=A{244}" "A{56}"$/);
  assert.equal(end, "");
});

const quotes: [string, string][] = [
  ["plain-1.2/x@y:z", "plain-1.2/x@y:z"],
  ["a b", "'a b'"],
  ["$HOME", "'$HOME'"],
  ["it's", "'it'\\''s'"],
  ["", "''"],
  ["*;", "'*;'"],
];
for (const [text, quoted] of quotes) {
  test(`shell word ${text}`, () => assert.equal(shellQuote(text), quoted));
}
