import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { problemFault, recordFault, retryAfterMs } from "../../../mailserver/certifier/fault.ts";

const NAMESPACE = "urn:ietf:params:acme:error:";

describe("what the authority says is told with what to do", () => {
  const cases: [type: string, RegExp][] = [
    ["caa", /semail:dns\.caa/],
    ["dns", /delegated to the name servers/],
    ["unauthorized", /_acme-challenge record/],
    ["rateLimited", /Nothing is to be done/],
    ["rejectedIdentifier", /semail:certificates\.directory/],
    ["externalAccountRequired", /semail:eabKey/],
    ["invalidContact", /semail:certificates\.contact/],
    ["neverHeardOf", /See the message/],
  ];
  for (const [type, remedy] of cases)
    it(type, () => {
      const fault = problemFault(
        { type: `${NAMESPACE}${type}`, detail: "because" },
        { name: "mx.example.org" },
      );
      assert.equal(fault.code, type);
      assert.equal(fault.message, `the authority says of mx.example.org ${type}: because`);
      assert.match(fault.remedy, remedy);
    });

  it("with every name that it concerns (RFC 8555 section 6.7.1)", () => {
    const subproblems = [{ detail: "no", identifier: { value: "a.example" } }, { detail: "never" }];
    const { message } = problemFault({ type: `${NAMESPACE}compound`, detail: "two", subproblems });
    assert.match(message, /compound: two; a\.example: no; \?: never$/);
  });
});

it("what LiveDNS says is told with what to do", () => {
  assert.match(recordFault("x TXT", "bad", 401).remedy, /semail:gandiToken/);
  assert.match(recordFault("x TXT", "bad", 403).remedy, /technical configuration/);
  assert.match(recordFault("x TXT", "no answer", undefined).remedy, /Is the API of semail:dns up/);
});

it("Retry-After is seconds or a date (RFC 9110 section 10.2.3)", () => {
  const now = Date.parse("2026-01-01T00:00:00Z");
  const cases: [string | undefined, number | undefined][] = [
    [undefined, undefined],
    ["120", 120_000],
    ["Thu, 01 Jan 2026 00:01:00 GMT", 60_000],
    ["Wed, 31 Dec 2025 00:00:00 GMT", 0],
    ["soon", undefined],
  ];
  for (const [header, wanted] of cases) assert.equal(retryAfterMs(header, now), wanted, header);
});
