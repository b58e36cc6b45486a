import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { describeProblems, parseConfig, rawConfig } from "../../../stacks/check-config.ts";

const alice = { name: "Alice Martin" };
const base = { domain: "example.org", users: { alice } };

/** What is wrong with a config, as `path: message`. */
function problemsOf(raw: Record<string, unknown>): string[] {
  return parseConfig(raw).problems.map(({ path, message }) => `${path}: ${message}`);
}

describe("a stack config is refused, before any resource, with", () => {
  const cases: Record<string, { raw: Record<string, unknown>; problem: RegExp }> = {
    "no domain": { raw: { users: { alice } }, problem: /^domain: is missing$/ },
    "a domain of one label": {
      raw: { ...base, domain: "localhost" },
      problem: /^domain: must be a domain name/,
    },
    "a domain beyond ASCII": {
      raw: { ...base, domain: "Bücher.example" },
      problem: /^domain: must be written in ASCII: xn--bcher-kva\.example$/,
    },
    "a domain that is none in any spelling": {
      raw: { ...base, domain: "bücher_.example." },
      problem: /^domain: must be a domain name/,
    },
    "limits of disks that nobody could set": {
      raw: { ...base, boxes: { users: "shared", diskLimits: "required" } },
      problem: /^boxes\.diskLimits: can't be required with `users: shared`/,
    },
    "an unknown key": { raw: { ...base, user: {} }, problem: /^user: is not a known key$/ },
    "an unknown key of a user": {
      raw: { ...base, users: { alice: { ...alice, nmae: "x" } } },
      problem: /^users\.alice\.nmae: is not a known key$/,
    },
    "a user without a name": {
      raw: { ...base, users: { alice: {} } },
      problem: /^users\.alice\.name: is missing$/,
    },
    "a further domain that is the first": {
      raw: { ...base, domains: ["EXAMPLE.org"] },
      problem: /^domains\.0: example\.org is there already$/,
    },
    "a domain given up that is not served": {
      raw: { ...base, domains: ["example.net"], leaving: ["example.com"] },
      problem: /^leaving\.0: example\.com is none of semail:domains$/,
    },
    "a domain given up that is no text": {
      raw: { ...base, leaving: [{ toString: 1 }] },
      problem: /^leaving\.0: /,
    },
    "a domain given up twice": {
      raw: { ...base, domains: ["example.net"], leaving: ["example.net", "Example.net"] },
      problem: /^leaving\.1: example\.net is there already$/,
    },
    "the first domain given up": {
      raw: { ...base, leaving: ["example.org"] },
      problem: /^leaving\.0: example\.org is semail:domain, in which the host's names are$/,
    },
    "an address claimed twice": {
      raw: { ...base, users: { alice, bob: { name: "Bob", aliases: ["alice@example.org"] } } },
      problem: /^users\.bob\.aliases\.0: alice@example\.org is claimed twice: it is also at users\.alice$/,
    },
    "an address that differs from another by case alone": {
      raw: { ...base, users: { alice, bob: { name: "Bob", addresses: ["Alice@Example.org"] } } },
      problem: /^users\.bob\.addresses\.0: alice@example\.org is claimed twice/,
    },
    "an address claimed twice by one person": {
      raw: { ...base, users: { alice: { ...alice, aliases: ["a@example.org", "a@example.org"] } } },
      problem: /^users\.alice\.aliases\.1: a@example\.org is claimed twice/,
    },
    "an address outside the domain": {
      raw: { ...base, users: { alice: { ...alice, addresses: ["alice@example.com"] } } },
      problem: /^users\.alice\.addresses\.0: alice@example\.com is outside the domain example\.org$/,
    },
    "an address of a subdomain": {
      raw: { ...base, users: { alice: { ...alice, addresses: ["alice@sub.example.org"] } } },
      problem: /outside the domain/,
    },
    "an address with a tag": {
      raw: { ...base, users: { alice: { ...alice, addresses: ["alice+x@example.org"] } } },
      problem: /^users\.alice\.addresses\.0: must be a mail address/,
    },
    "an address of a mailbox that was given up, whose owner may take it back": {
      raw: {
        ...base,
        users: {
          alice: { ...alice, state: "deleted", deletedOn: "2026-01-31" },
          bob: { name: "Bob", aliases: ["alice@example.org"] },
        },
      },
      problem: /^users\.bob\.aliases\.0: alice@example\.org is claimed twice/,
    },
    "a mailbox that was given up nobody knows when": {
      raw: { ...base, users: { alice: { ...alice, state: "deleted" } } },
      problem: /^users\.alice\.deletedOn: is missing/,
    },
    "a day that there is not": {
      raw: { ...base, users: { alice: { ...alice, state: "deleted", deletedOn: "2026-02-30" } } },
      problem: /^users\.alice\.deletedOn: must be a day/,
    },
    "the day of a deletion that was not": {
      raw: { ...base, users: { alice: { ...alice, deletedOn: "2026-01-31" } } },
      problem: /^users\.alice\.deletedOn: is only for/,
    },
    "an alias without a mailbox": {
      raw: { ...base, users: { alice: { ...alice, state: "none", aliases: ["a@example.org"] } } },
      problem: /^users\.alice\.aliases: needs a mailbox/,
    },
    "a forward to who has no mailbox": {
      raw: {
        ...base,
        users: { alice: { ...alice, forward: "bob@example.org" }, bob: { name: "Bob", state: "none" } },
      },
      problem: /^users\.alice\.forward: nobody has the address bob@example\.org$/,
    },
    "a postmaster without a mailbox": {
      raw: { ...base, postmaster: "bob", users: { alice, bob: { name: "Bob", state: "none" } } },
      problem: /^postmaster: bob has no mailbox \(state: none\)/,
    },
    "a catch-all without a mailbox": {
      raw: { ...base, smtpIn: { catchAll: "bob" }, users: { alice, bob: { name: "Bob", state: "none" } } },
      problem: /^smtpIn\.catchAll: bob has no mailbox/,
    },
    "a portal on the port of another": {
      raw: { ...base, portal: { enabled: true, port: 993 } },
      problem: /^portal\.port: 993 is already ports\.imaps$/,
    },
    "a catch-all that nobody has": {
      raw: { ...base, smtpIn: { catchAll: "carol" } },
      problem: /^smtpIn\.catchAll: there is no user carol/,
    },
    "a tag separator of two signs": {
      raw: { ...base, smtpIn: { tagSeparator: "++" } },
      problem: /^smtpIn\.tagSeparator: must be one of/,
    },
    "a DMARC policy that is none": {
      raw: { ...base, smtpIn: { dmarcReject: "drop" } },
      problem: /^smtpIn\.dmarcReject: /,
    },
    "a network of load balancers that is an address": {
      raw: { ...base, smtpIn: { clients: { proxies: ["192.0.2.1"] } } },
      problem: /^smtpIn\.clients\.proxies\.0: must be a network/,
    },
    "a sending limit below zero": {
      raw: { ...base, smtpOut: { limits: { messagesPerDay: -1 } } },
      problem: /^smtpOut\.limits\.messagesPerDay: /,
    },
    "a person without limits who can't be one": {
      raw: { ...base, smtpOut: { limits: { exempt: ["No One"] } } },
      problem: /^smtpOut\.limits\.exempt\.0: must be 1 to 32/,
    },
    "a network to send to that is an address": {
      raw: { ...base, smtpOut: { allowTargets: ["192.168.7.1"] } },
      problem: /^smtpOut\.allowTargets\.0: must be a network/,
    },
    "a forward to oneself": {
      raw: { ...base, users: { alice: { ...alice, forward: "alice@example.org" } } },
      problem: /^users\.alice\.forward: is one of the person's own addresses/,
    },
    "a forward to a form of one's own address": {
      raw: { ...base, users: { alice: { ...alice, forward: "alice+home@example.org" } } },
      problem: /^users\.alice\.forward: nobody has the address alice\+home@example\.org$/,
    },
    "a forward to an address that nobody has": {
      raw: { ...base, users: { alice: { ...alice, forward: "ghost@example.org" } } },
      problem: /^users\.alice\.forward: nobody has the address ghost@example\.org$/,
    },
    "an IP address for a domain": { raw: { ...base, domain: "192.0.2.1" }, problem: /^domain: must be/ },
    "a name of two lines": {
      raw: { ...base, users: { alice: { name: "Alice\nuid: root" } } },
      problem: /^users\.alice\.name: must be one line of text$/,
    },
    "people in a list": { raw: { ...base, users: [alice] }, problem: /^users: / },
    "people that are null": { raw: { ...base, users: null }, problem: /^users: / },
    "a person who is only a name": {
      raw: { ...base, users: { alice: "Alice" } },
      problem: /^users\.alice: /,
    },
    "a uid that is a key of every object": {
      raw: JSON.parse('{"domain":"example.org","users":{"__proto__":{"name":"x"}}}'),
      problem: /^users\.__proto__: uid must be/,
    },
    "a key of every object": {
      raw: JSON.parse('{"domain":"example.org","users":{"alice":{"name":"x","__proto__":{"y":1}}}}'),
      problem: /^users\.alice\.__proto__: is not a known key$/,
    },
    "a uid that only looks like one": { raw: { ...base, users: { аlice: alice } }, problem: /uid must be/ },
    "an API address with a password": {
      raw: { ...base, dns: { apiUrl: "https://user:secret@api.example.org/" } },
      problem: /^dns\.apiUrl: must be an https/,
    },
    "a TTL that LiveDNS does not take": {
      raw: { ...base, dns: { ttl: 60 } },
      problem: /^dns\.ttl: must be at least 300$/,
    },
    "a TTL of more than a month": {
      raw: { ...base, dns: { ttl: 9_999_999 } },
      problem: /^dns\.ttl: must be at most 2592000$/,
    },
    "an API address that is a script": {
      raw: { ...base, dns: { apiUrl: "javascript:alert(1)" } },
      problem: /^dns\.apiUrl: must be an https/,
    },
    "a uid in capitals": { raw: { ...base, users: { Alice: alice } }, problem: /^users\.Alice: uid must be/ },
    "a uid with a blank": { raw: { ...base, users: { "a b": alice } }, problem: /^users\.a b: uid must be/ },
    "a uid with an LDAP sign": { raw: { ...base, users: { "a,b": alice } }, problem: /uid must be/ },
    "a uid that begins with a dot": { raw: { ...base, users: { ".a": alice } }, problem: /uid must be/ },
    "a uid of two dots in a row": { raw: { ...base, users: { "a..b": alice } }, problem: /uid must be/ },
    "an overlong uid": { raw: { ...base, users: { ["a".repeat(33)]: alice } }, problem: /uid must be/ },
    "a quota without a unit": {
      raw: { ...base, users: { alice: { ...alice, quota: "100" } } },
      problem: /^users\.alice\.quota: must be a size of 1MB or more/,
    },
    "too little memory": {
      raw: { ...base, users: { alice: { ...alice, memory: "1MB" } } },
      problem: /^users\.alice\.memory: must be a size of 16MB or more/,
    },
    "a postmaster who isn't there": {
      raw: { ...base, postmaster: "zoe" },
      problem: /^postmaster: there is no user zoe/,
    },
    "a port used twice": {
      raw: { ...base, ports: { smtp: 587 } },
      problem: /^ports\.submission: 587 is already ports\.smtp$/,
    },
    "a port out of range": { raw: { ...base, ports: { smtp: 70_000 } }, problem: /^ports\.smtp: / },
    "a network that isn't one": {
      raw: { ...base, network: "10.300.0.0/16" },
      problem: /^network: must be a network/,
    },
    "a TTL below Gandi's least": { raw: { ...base, dns: { ttl: 60 } }, problem: /^dns\.ttl: / },
    "a host kind that isn't there": { raw: { ...base, host: { kind: "cloud" } }, problem: /^host\.kind: / },
  };
  for (const [name, { raw, problem }] of Object.entries(cases)) {
    it(name, () => {
      const problems = problemsOf(raw);
      assert.ok(
        problems.some((text) => problem.test(text)),
        `${problem} not among ${JSON.stringify(problems)}`,
      );
    });
  }
});

describe("a stack config", () => {
  it("passes when it is right, with defaults filled in", () => {
    const { config, problems } = parseConfig(base);
    assert.deepEqual(problems, []);
    assert.ok(config?.host.kind === "local");
    assert.equal(config.host.bind, "127.0.0.1");
    assert.equal(config?.ports.smtp, 25);
    assert.equal(config?.protect, true);
  });

  it("shows every wrong path at once, of form and of meaning", () => {
    const problems = problemsOf({
      domain: "example.org",
      typo: 1,
      ports: { smtp: 0 },
      users: { Alice: {}, bob: { name: "Bob", addresses: ["x@example.com"] } },
    });
    const paths = problems.map((text) => text.slice(0, text.indexOf(":")));
    assert.deepEqual(paths.sort(), [
      "ports.smtp",
      "typo",
      "users.Alice",
      "users.Alice.name",
      "users.bob.addresses.0",
    ]);
  });

  it("is read from its own namespace only, JSON or plain, without secrets", () => {
    const raw = rawConfig({
      "semail:domain": "example.org",
      "semail:protect": "false",
      "semail:postmaster": "",
      "semail:users": '{"alice":{"name":"Alice"}}',
      "semail:gandiToken": "secret",
      "aws:region": "eu-west-3",
    });
    assert.deepEqual(raw, { domain: "example.org", protect: false, users: { alice: { name: "Alice" } } });
  });

  it("may forward to somebody else here, gone or not, to a role, and abroad", () => {
    const bob = { name: "Bob" };
    const carol = { name: "Carol", aliases: ["c@example.org"], state: "deleted", deletedOn: "2026-01-15" };
    for (const forward of [
      ...["bob@example.org", "carol@example.org", "c@example.org", "postmaster@example.org"],
      ...["alice@example.com", "alice+home@example.com"],
    ]) {
      const users = { alice: { ...alice, forward }, bob, carol };
      assert.deepEqual(problemsOf({ ...base, users }), [], forward);
    }
  });

  it("may name people as objects name their own keys", () => {
    const { config, problems } = parseConfig({ ...base, users: { constructor: alice, valueof: alice } });
    assert.deepEqual(problems, []);
    assert.deepEqual(Object.keys(config?.users ?? {}), ["constructor", "valueof"]);
  });

  it("has its problems told in lines that can be read, whatever they quote", () => {
    const path = `users.${"a".repeat(100_000)}\nsemail:domain: is fine`;
    const text = describeProblems("Pulumi.dev.yaml", [{ path, message: "uid must be shorter" }]);
    assert.ok(text.length < 1_000);
    assert.equal(text.split("\n").length, 3);
  });

  it("has a fault that form and meaning both find told and counted once", () => {
    const problem = { path: "users.x", message: "no" };
    const told = describeProblems("Pulumi.dev.yaml", [problem, { path: "domain", message: "no" }, problem]);
    assert.match(told, /has 2 problems;/);
    assert.equal(told.match(/users\.x/g)?.length, 1);
  });

  it("has its problems told with file, path and where to look", () => {
    const text = describeProblems("Pulumi.dev.yaml", [{ path: "domain", message: "is missing" }]);
    assert.match(
      text,
      /^Pulumi\.dev\.yaml has 1 problem; nothing was changed:\n {2}semail:domain: is missing\n/,
    );
    assert.match(text, /docs\/configuration\.md/);
  });
});
