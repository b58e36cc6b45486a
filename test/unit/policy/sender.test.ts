import assert from "node:assert/strict";
import { test } from "node:test";
import { SenderSettings } from "../../../mailserver/contract.ts";
import { type AuthorFacts, judgeSender, type SenderFacts } from "../../../mailserver/policy/sender.ts";

const PASS = { dmarc: "pass", policy: "reject" } as const;
const FAIL = { dmarc: "fail", policy: "reject" } as const;
const QUARANTINE = { dmarc: "fail", policy: "quarantine" } as const;
const NONE = { dmarc: "fail", policy: "none" } as const;
const UNSURE = { ...FAIL, unsure: true };
const SILENT = { dmarc: "temperror", policy: undefined, unsure: true };
const UNCLEAR = { clear: false };
const DNS = { dnsFailed: true };
const DEFER = { dnsFailure: "defer" } as const;

type Settings = Partial<SenderSettings>;
type Case = readonly [Partial<AuthorFacts>[], Partial<SenderFacts>, Settings, "accept" | "junk" | number];
const cases: Readonly<Record<string, Case>> = {
  "passes: accepted": [[PASS], {}, {}, "accept"],
  "passes although another look-up failed: accepted": [[PASS], DNS, DEFER, "accept"],
  "has no policy: accepted": [[{}], {}, {}, "accept"],
  "fails, policy none: accepted": [[NONE], {}, {}, "accept"],
  "fails, policy reject: refused": [[FAIL], {}, {}, 550],
  "fails, policy reject, set to junk": [[FAIL], {}, { reject: "junk" }, "junk"],
  "fails, policy reject, set to accept": [[FAIL], {}, { reject: "accept" }, "accept"],
  "fails although another look-up failed: refused": [[FAIL], DNS, {}, 550],
  "fails, policy quarantine: junk": [[QUARANTINE], {}, {}, "junk"],
  "fails, policy quarantine, set to accept": [[QUARANTINE], {}, { quarantine: "accept" }, "accept"],
  "fails where DNS might have made it pass: refused for now": [[UNSURE], DNS, {}, 451],
  "fails where DNS might have made it pass, reject set to junk": [[UNSURE], DNS, { reject: "junk" }, "junk"],
  "fails where DNS might have made it pass, quarantine: junk": [
    [{ ...QUARANTINE, unsure: true }],
    DNS,
    {},
    "junk",
  ],
  "can't be known: accepted": [[SILENT], DNS, {}, "accept"],
  "can't be known, set to defer": [[SILENT], DNS, DEFER, 451],
  "passes in part only: junk": [[{ ...PASS, partial: true }], {}, {}, "junk"],
  "passes in part only, policy none: accepted": [[{ dmarc: "pass", partial: true }], {}, {}, "accept"],
  "has no author: junk": [[], UNCLEAR, {}, "junk"],
  "has two authors without policy: junk": [[{}, {}], UNCLEAR, {}, "junk"],
  "has two authors that pass: junk": [[PASS, PASS], UNCLEAR, {}, "junk"],
  "has two authors, set to accept": [[{}, {}], UNCLEAR, { quarantine: "accept" }, "accept"],
  "has two authors, one of them forged: refused": [[PASS, FAIL], UNCLEAR, {}, 550],
  "has two authors, the first of them forged: refused": [[FAIL, QUARANTINE], UNCLEAR, {}, 550],
  "has two authors, one of them unsure: refused for now": [[UNSURE, QUARANTINE], UNCLEAR, {}, 451],
};
for (const [name, [authors, more, settings, want]] of Object.entries(cases)) {
  test(`a message that ${name}`, () => {
    const none: AuthorFacts = {
      dmarc: "none",
      policy: "none",
      domain: "a.test",
      partial: false,
      unsure: false,
    };
    const facts = {
      authors: authors.map((author) => ({ ...none, ...author })),
      clear: true,
      dnsFailed: false,
    };
    const verdict = judgeSender({ ...facts, ...more }, SenderSettings.parse(settings));
    assert.equal(verdict.kind === "refuse" ? verdict.reply.code : verdict.kind, want);
  });
}
