import assert from "node:assert/strict";
import { test } from "node:test";
import { parseMessage } from "../../../mailserver/message/header.ts";
import { authservId, methodResults, withoutForged } from "../../../mailserver/message/trace.ts";

const cases: Readonly<Record<string, readonly [string, boolean]>> = {
  "our name": ["Authentication-Results: mx.semail.test; spf=pass", false],
  "our name in other case, folded": ["AUTHENTICATION-results:\r\n\tMX.Semail.Test 1; spf=pass", false],
  "our name before a blank and a colon": ["Authentication-Results : mx.semail.test; none", false],
  "our name in quotes": ['Authentication-Results: "mx.semail\\.test"; spf=pass', false],
  "our name behind comments": ['Authentication-Results: (a (b\\)) " c) mx.semail.test (d); spf=pass', false],
  "our name with a dot at its end": ["Authentication-Results: mx.semail.test.; none", false],
  "the other name of ours": ["Authentication-Results: smtp.semail.test; dkim=pass", false],
  "another name": ["Authentication-Results: mx.other.test; spf=pass smtp.helo=mx.semail.test", true],
  "a longer name": ["Authentication-Results: x.mx.semail.test; none", true],
  "our name in a comment alone": ["Authentication-Results: (mx.semail.test) mx.other.test; none", true],
  "the junk mark": ["x-semail-JUNK: yes", false],
  "another field": ["X-Semail-Junk-Not: yes", true],
  "an ARC copy, which its seal covers": ["ARC-Authentication-Results: i=1; mx.semail.test; none", true],
};
for (const [name, [text, kept]] of Object.entries(cases)) {
  test(`a field with ${name} ${kept ? "stays" : "goes"}`, () => {
    const { fields } = parseMessage(Buffer.from(`From: a@b.test\r\n${text}\r\nSubject: x\r\n\r\n`));
    assert.equal(fields.length, 3);
    assert.equal(withoutForged(fields, ["smtp.semail.test", "MX.semail.test"]).length, kept ? 3 : 2);
  });
}

const results: Readonly<Record<string, readonly string[]>> = {
  "mx.a.test; none": [],
  "mx.a.test": [],
  "mx.a.test 1; SPF=Pass smtp.helo=x.test; dkim / 1 = fail (x) header.d=y": ["spf pass", "dkim fail"],
  "mx.a.test;\r\n\tarc=pass (i=1 spf=pass; dkim=pass (nested; dmarc=pass))": ["arc pass"],
  'mx.a.test; spf=pass smtp.mailfrom="x; arc=pass"@b.test; arc=fail': ["spf pass", "arc fail"],
  'mx.a.test; spf=pass smtp.mailfrom="x\\"; arc=pass"@b.test; arc=fail': ["spf pass", "arc fail"],
  'mx.a.test; spf=pass (" \\) arc=pass) smtp.helo="a(b"; arc=fail': ["spf pass", "arc fail"],
  'mx.a.test; spf=pass smtp.helo="x; arc=pass': ["spf pass"],
  'mx.a.test; spf=pass smtp.helo="x; arc=pass\\': ["spf pass"],
  '"mx; arc=pass"; spf=pass': ["spf pass"],
  "arc=pass; spf=pass": ["spf pass"],
};
for (const [value, wanted] of Object.entries(results)) {
  test(`the results of ${JSON.stringify(value)} are ${wanted.join(", ") || "none"}`, () => {
    const [field] = parseMessage(Buffer.from(`Authentication-Results: ${value}\r\n\r\n`)).fields;
    assert.ok(field);
    assert.deepEqual(
      methodResults(field).map(({ method, result }) => `${method} ${result}`),
      wanted,
    );
  });
}

test("a long comment that never ends costs no more than its length", () => {
  const [field] = parseMessage(
    Buffer.from(`Authentication-Results: ${"(\\".repeat(200_000)}\r\n\r\n`),
  ).fields;
  assert.ok(field);
  const start = performance.now();
  authservId(field);
  assert.ok(performance.now() - start < 1_000);
});
