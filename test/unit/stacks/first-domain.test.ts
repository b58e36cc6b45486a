import assert from "node:assert/strict";
import { test } from "node:test";
import { directoryDomain, domainRefusal } from "../../../stacks/first-domain.ts";

const REFUSED = /^semail:domain: this stack was made for example\.org, .*semail:domains/;

for (const [name, prior, domain, refused] of [
  ["is free before the first update", undefined, "example.org", false],
  ["stays what it is", { domain: "example.org" }, "example.org", false],
  ["is not changed to another one", { domain: "example.org" }, "example.net", true],
  ["is not changed to one below it", { domain: "example.org" }, "mail.example.org", true],
  ["is not known of an output that can't be read", "?", "example.org", false],
] as const) {
  test(`the first domain of a stack ${name}`, () => {
    const refusal = domainRefusal(prior, domain);
    if (refused) assert.match(refusal ?? "", REFUSED);
    else assert.equal(refusal, undefined);
  });
}

const containers = (...domains: string[]) => [
  { name: "semail-prod-resolver" },
  { envs: ["A=1", "SLAPD"] },
  ...domains.map((domain) => ({ envs: ["SLAPD_SUFFIX=dc=x", `SLAPD_DOMAIN=${domain}`] })),
];
for (const [name, state, domain, refused] of [
  ["is free where no directory was made", containers(), "example.net", false],
  ["stays what it is after an update that broke off", containers("example.org"), "example.org", false],
  ["is not changed after one that made the directory", containers("example.org"), "example.net", true],
] as const)
  test(`the first domain of a stack ${name}`, () => {
    const refusal = domainRefusal(undefined, domain, directoryDomain(state));
    if (refused) assert.match(refusal ?? "", new RegExp(`${REFUSED.source}.*npm run down -- --purge`));
    else assert.equal(refusal, undefined);
  });
