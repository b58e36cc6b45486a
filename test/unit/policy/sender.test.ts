import assert from "node:assert/strict";
import { test } from "node:test";
import { SenderSettings } from "../../../mailserver/contract.ts";
import { judgeSender, type SenderFacts } from "../../../mailserver/policy/sender.ts";

const FAIL = { dmarc: "fail", policy: "reject" };
const QUARANTINE = { dmarc: "fail", policy: "quarantine" };
const UNSURE = { ...FAIL, unsure: true, dnsFailed: true };
const SILENT = { dmarc: "temperror", policy: "reject", unsure: true, dnsFailed: true };
const TWO_AUTHORS = { dmarc: "none", ambiguous: true };

type Case = readonly [Partial<SenderFacts>, Partial<SenderSettings>, "accept" | "junk" | number];
const cases: Readonly<Record<string, Case>> = {
  "passes: accepted": [{ dmarc: "pass", policy: "reject" }, {}, "accept"],
  "passes although another look-up failed: accepted": [
    { dmarc: "pass", dnsFailed: true },
    { dnsFailure: "defer" },
    "accept",
  ],
  "has no policy: accepted": [{ dmarc: "none" }, {}, "accept"],
  "fails, policy none: accepted": [{ dmarc: "fail", policy: "none" }, {}, "accept"],
  "fails, policy reject: refused": [FAIL, {}, 550],
  "fails, policy reject, set to junk": [FAIL, { reject: "junk" }, "junk"],
  "fails, policy reject, set to accept": [FAIL, { reject: "accept" }, "accept"],
  "fails although another look-up failed: refused": [{ ...FAIL, dnsFailed: true }, {}, 550],
  "fails, policy quarantine: junk": [QUARANTINE, {}, "junk"],
  "fails, policy quarantine, set to accept": [QUARANTINE, { quarantine: "accept" }, "accept"],
  "fails where DNS might have made it pass: accepted": [UNSURE, {}, "accept"],
  "fails where DNS might have made it pass, set to defer": [UNSURE, { dnsFailure: "defer" }, 451],
  "can't be known: accepted": [SILENT, {}, "accept"],
  "can't be known, set to defer": [SILENT, { dnsFailure: "defer" }, 451],
  "has two authors: junk": [TWO_AUTHORS, {}, "junk"],
  "has two authors, set to accept": [TWO_AUTHORS, { quarantine: "accept" }, "accept"],
};
for (const [name, [facts, settings, want]] of Object.entries(cases)) {
  test(`a message that ${name}`, () => {
    const none = {
      dmarc: "none",
      policy: "none",
      domain: "a.test",
      ambiguous: false,
      unsure: false,
      dnsFailed: false,
    };
    const verdict = judgeSender({ ...none, ...facts }, SenderSettings.parse(settings));
    assert.equal(verdict.kind === "refuse" ? verdict.reply.code : verdict.kind, want);
  });
}
