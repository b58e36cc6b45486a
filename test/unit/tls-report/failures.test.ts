import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { failedResult, fetchFailure, refusedResult } from "../../../mailserver/policy/tls-report.ts";

describe("a failure is reported as", () => {
  const cases = [
    [failedResult("notOffered"), "starttls-not-supported"],
    [failedResult("handshake"), "validation-failure"],
    [failedResult("certificate", "fits no TLSA record"), "tlsa-invalid"],
    [failedResult("certificate", "is not for mx.one.test"), "certificate-host-mismatch"],
    [failedResult("certificate", "is not trusted (CERT_HAS_EXPIRED)"), "certificate-expired"],
    [failedResult("certificate", "is not trusted (SELF_SIGNED_CERT_IN_CHAIN)"), "certificate-not-trusted"],
    [failedResult("certificate", "is missing"), "certificate-not-trusted"],
    [refusedResult("DANE"), "dnssec-invalid"],
    [refusedResult("MTA-STS"), "validation-failure"],
    [fetchFailure(Object.assign(new Error(), { code: "invalid_sts_mode" })), "sts-policy-invalid"],
    [fetchFailure(Object.assign(new Error(), { code: "policy_too_large" })), "sts-policy-invalid"],
    [fetchFailure(Object.assign(new Error(), { code: "CERT_HAS_EXPIRED" })), "sts-webpki-invalid"],
    [fetchFailure(Object.assign(new Error(), { code: "http_status_404" })), "sts-policy-fetch-error"],
    [fetchFailure(Object.assign(new Error(), { code: "ECONNREFUSED" })), "sts-policy-fetch-error"],
    [fetchFailure(new Error("no address")), "sts-policy-fetch-error"],
  ] as const;
  for (const [{ result, reason }, want] of cases)
    test(`${want}: ${reason ?? "-"}`, () => assert.equal(result, want));
});
