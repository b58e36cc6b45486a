/** The doctor beside real name servers, whose zones are wrong in one thing each. */
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { createQuery } from "../../../tools/doctor/ask.ts";
import { examineDns } from "../../../tools/doctor/examine.ts";
import type { StackFacts } from "../../../tools/doctor/stack-facts.ts";
import { openLab } from "../../support/docker.ts";
import { brokenZones, factsOf, linesOf } from "../../support/doctor.ts";
import { type SignedDns, startSignedDns } from "../../support/signed-dns.ts";

const lab = openLab();
const zones = brokenZones();
const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const KEY = publicKey.export({ type: "spki", format: "der" }).toString("base64");
/** A further domain of the stack right.test, which is given up. */
const LEFT = "left.test";
let dns: SignedDns;

before(async () => {
  const nowhere = { resolver: "", nameServer: "" };
  const plans = zones.map((zone) => ({
    name: zone.zone,
    records: linesOf(zone, factsOf(zone, KEY, nowhere)),
    ...(zone.signed === undefined ? {} : { signed: zone.signed }),
  }));
  const left = { name: LEFT, records: ["@\t300\tIN\tMX\t10 mx.right.test."] };
  dns = await startSignedDns(lab, [...plans, left]);
});
after(() => lab.cleanup());

const ask = (stack: StackFacts) => examineDns(stack, [dns.resolver], createQuery(Date.now));
const servers = () => ({ resolver: dns.resolver.replace(/:53$/, ""), nameServer: dns.authority });

describe("a zone that is wrong in one thing has one finding", () => {
  for (const zone of zones) {
    it(zone.zone, async () => {
      const checks = await ask(factsOf(zone, KEY, servers()));
      const findings = checks.flatMap((check) => check.findings);
      const { finding } = zone;
      if (finding === undefined) return assert.deepEqual(findings, []);
      assert.equal(findings.length, 1, JSON.stringify(findings, null, 2));
      assert.equal(findings[0]?.record, finding.record);
      assert.match(findings[0]?.message ?? "", new RegExp(finding.message));
      assert.match(findings[0]?.remedy ?? "", new RegExp(finding.remedy));
    });
  }
});

it("a domain that is given up, and whose MX record still names the host, is told of", async () => {
  const right = factsOf({ zone: "right.test", config: {} }, KEY, servers());
  const checks = await ask({ ...right, domains: ["right.test", LEFT], leaving: [LEFT] });
  const findings = checks.flatMap((check) => check.findings);
  assert.deepEqual(
    findings.map(({ record, message }) => `${record}: ${message}`),
    ["left.test MX: it still names mx.right.test, and the domain is in semail:leaving"],
  );
});
