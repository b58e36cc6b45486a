/** What sessions came to under DANE, MTA-STS or no policy, in the words of SMTP TLS reporting (RFC 8460). Pure. */
import type { TlsAuthority, TlsaRecord, TlsFailure } from "./tls.ts";

/** A policy as it was found (RFC 8460 section 4.4). */
export interface AppliedPolicy {
  readonly type: "tlsa" | "sts" | "no-policy-found";
  /** TLSA records, or the lines of the MTA-STS policy; none where that could not be had. */
  readonly strings: readonly string[];
  /** The host of the TLSA records, or the patterns of the MTA-STS policy. */
  readonly hosts: readonly string[];
}

/** RFC 8460 section 4.3. */
export type ResultType =
  | "starttls-not-supported"
  | "certificate-host-mismatch"
  | "certificate-expired"
  | "certificate-not-trusted"
  | "validation-failure"
  | "tlsa-invalid"
  | "dnssec-invalid"
  | "sts-policy-fetch-error"
  | "sts-policy-invalid"
  | "sts-webpki-invalid";

/** Why a session was not what the policy asks for. `reason`: in our words. */
export interface PolicyFailure {
  readonly result: ResultType;
  readonly reason?: string | undefined;
}

/** One session with a host of a domain. */
export interface SessionNote {
  readonly domain: string;
  readonly policy: AppliedPolicy;
  readonly host: string;
  /** Absent when none was asked. */
  readonly address?: string;
  /** Absent: all was as the policy asks. */
  readonly failure?: PolicyFailure | undefined;
}

/** The domain publishes nothing: it hears all the same whether its hosts offer TLS (RFC 8460 section 4.4). */
export const NO_POLICY: AppliedPolicy = { type: "no-policy-found", strings: [], hosts: [] };
/** The domain says that it has an MTA-STS policy, which could not be fetched. */
export const UNKNOWN_STS: AppliedPolicy = { type: "sts", strings: [], hosts: [] };

export function tlsaPolicy(host: string, records: readonly TlsaRecord[]): AppliedPolicy {
  const strings = records.map(
    ({ usage, selector, matching, data }) => `${usage} ${selector} ${matching} ${data}`,
  );
  return { type: "tlsa", strings, hosts: [host] };
}

/** RFC 8461 section 3.2. `maxAge` in seconds. */
export function stsPolicy(mode: string, mx: readonly string[], maxAge: number): AppliedPolicy {
  const lines = ["version: STSv1", `mode: ${mode}`, ...mx.map((pattern) => `mx: ${pattern}`)];
  return { type: "sts", strings: [...lines, `max_age: ${maxAge}`], hosts: mx };
}

/** By the codes of mailauth and node:tls; what is none of these is a failure to fetch. */
const FETCH_FAILURES: readonly (readonly [RegExp, ResultType])[] = [
  [/^(?:invalid_|policy_too_large$)/, "sts-policy-invalid"],
  [/^(?:ERR_TLS_CERT_|CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_)/, "sts-webpki-invalid"],
];

/** Why an MTA-STS policy could not be had (RFC 8460 section 4.3.2.2). */
export function fetchFailure(error: unknown): PolicyFailure {
  const code = error instanceof Error && "code" in error ? String(error.code) : undefined;
  const known = FETCH_FAILURES.find(([codes]) => codes.test(code ?? ""));
  return { result: known?.[1] ?? "sts-policy-fetch-error", ...(code !== undefined && { reason: code }) };
}

/** A host that was passed over. */
export function refusedResult(by: TlsAuthority): PolicyFailure {
  return by === "DANE"
    ? { result: "dnssec-invalid" }
    : { result: "validation-failure", reason: "the policy does not name the host" };
}

/** What is wrong with a certificate, by our words for it (`net/certificate.ts`). */
const CERTIFICATES: readonly (readonly [RegExp, ResultType])[] = [
  [/fits no TLSA record/, "tlsa-invalid"],
  [/is not for /, "certificate-host-mismatch"],
  [/CERT_HAS_EXPIRED|CERT_NOT_YET_VALID/, "certificate-expired"],
];

/** A host that was asked. `detail`: what is wrong with the certificate. */
export function failedResult(failure: TlsFailure, detail?: string): PolicyFailure {
  if (failure === "notOffered") return { result: "starttls-not-supported" };
  if (failure === "handshake") return { result: "validation-failure", reason: "the TLS hand-shake failed" };
  const known = CERTIFICATES.find(([words]) => words.test(detail ?? ""));
  return {
    result: known?.[1] ?? "certificate-not-trusted",
    ...(detail !== undefined && { reason: `the certificate ${detail}` }),
  };
}
