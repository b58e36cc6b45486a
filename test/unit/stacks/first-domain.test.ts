import assert from "node:assert/strict";
import { test } from "node:test";
import { domainRefusal } from "../../../stacks/first-domain.ts";

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
