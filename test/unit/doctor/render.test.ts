import assert from "node:assert/strict";
import { test } from "node:test";
import { render, renderJson, renderShort, tally } from "../../../tools/doctor/render.ts";
import type { Check } from "../../../tools/doctor/types.ts";

const good: Check = { area: "Records", about: "MX example.org", findings: [] };
const wrong: Check = {
  ...{ area: "Records", about: "TXT example.org" },
  findings: [
    {
      ...{ severity: "error", rule: "SPF, RFC 7208 section 4.5", record: "example.org TXT" },
      ...{ message: "is missing", remedy: "Enter it." },
    },
  ],
};
const unknown: Check = {
  area: "Name servers",
  about: "example.org",
  findings: [],
  unknown: "no name server answers",
};

const service: Check = { area: "Services", about: "smtp mx.example.org:25", findings: [] };

test("all well is a line for each area, and one for all", () => {
  assert.equal(
    renderShort([good, service, good], "prod"),
    [
      "Looked at from outside",
      "  ✓ Records       2 of 2",
      "  ✓ Services      1 of 1",
      "✓ 3 checks good",
    ].join("\n"),
  );
});

test("what others wrote into DNS is no command to a terminal", () => {
  const [finding] = wrong.findings;
  assert.ok(finding);
  const evil = { ...wrong, findings: [{ ...finding, message: "it says \u001b]0;x\u0007 and \u202etxet" }] };
  for (const text of [render([evil]), renderShort([evil], "prod")]) {
    assert.match(text, /it says \\u\{1b\}\]0;x\\u\{7\} and \\u\{202e\}txet/);
    assert.doesNotMatch(text, /(?!\n)\p{C}/u);
  }
});

test("what isn't well is told in full below its area", () => {
  assert.equal(
    renderShort([good, wrong, unknown], "prod"),
    [
      "Looked at from outside",
      "  ? Name servers  0 of 1",
      "    ? example.org: no name server answers",
      "  ✗ Records       1 of 2",
      "    ✗ TXT example.org",
      "        is missing (SPF, RFC 7208 section 4.5)",
      "        → Enter it.",
      "✗ 1 check good, 1 is wrong, 1 can't be known from here",
      "  `npm run doctor -- --stack prod` looks again.",
      "",
    ].join("\n"),
  );
});

test("the table has every check, by area", () => {
  assert.equal(
    render([good, wrong, unknown]),
    [
      "",
      "Name servers",
      "  ? example.org: no name server answers",
      "",
      "Records",
      "  ✓ MX example.org",
      "  ✗ TXT example.org",
      "      is missing (SPF, RFC 7208 section 4.5)",
      "      → Enter it.",
      "",
      "✗ 1 check good, 1 is wrong, 1 can't be known from here",
    ].join("\n"),
  );
});

test("for machines there are counts, and a state for each check", () => {
  const json = JSON.parse(renderJson("prod", [good, wrong, unknown]));
  assert.deepEqual([json.stack, json.good, json.counts.errors, json.counts.unknown], ["prod", false, 1, 1]);
  assert.deepEqual(
    json.checks.map(({ state }: { state: string }) => state),
    ["good", "wrong", "unknown"],
  );
});

test("a warning alone is no error", () => {
  const [finding] = wrong.findings;
  assert.ok(finding);
  const warned: Check = { ...wrong, findings: [{ ...finding, severity: "warning" }] };
  assert.deepEqual([tally([warned]).errors, tally([warned]).warnings], [0, 1]);
});
