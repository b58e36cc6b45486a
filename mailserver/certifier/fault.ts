/** Why no certificate could be had, and what to do about it. Pure. */
import { z } from "zod";

/** An attempt failed; `code` is stable, message and remedy are for people. */
export class CertifierFault extends Error {
  override readonly name = "CertifierFault";
  /** A type of RFC 8555 section 6.7 without its namespace, or `unreachable`, `undecided`, `records`, `unseen`, `refused`. */
  readonly code: string;
  readonly remedy: string;
  /** Milliseconds for which the other side asks to be left alone. */
  readonly retryAfterMs: number | undefined;

  constructor(facts: { code: string; message: string; remedy: string; retryAfterMs?: number | undefined }) {
    super(facts.message);
    this.code = facts.code;
    this.remedy = facts.remedy;
    this.retryAfterMs = facts.retryAfterMs;
  }
}

const NAMESPACE = "urn:ietf:params:acme:error:";

const Identifier = z.object({ value: z.string() });
const Part = z.object({ detail: z.string().optional(), identifier: Identifier.optional() });

/** A problem document (RFC 7807) as an ACME server has it (RFC 8555 sections 6.7 and 6.7.1). */
export const Problem = z.object({
  type: z.string(),
  detail: z.string().default(""),
  subproblems: z.array(Part).optional(),
});
export type Problem = z.infer<typeof Problem>;

const DELEGATION =
  "Is the domain delegated to the name servers that semail:dns writes to, and does every one of them answer?";

const REMEDIES: Readonly<Record<string, string>> = {
  caa: "A CAA record forbids this authority: name it in semail:dns.caa, or take the record out of the zone or the one above.",
  dns: DELEGATION,
  unauthorized: `The authority did not see the _acme-challenge record. ${DELEGATION}`,
  incorrectResponse: `The authority saw another _acme-challenge record. ${DELEGATION}`,
  connection: DELEGATION,
  rateLimited:
    "The authority has had enough requests for now. Nothing is to be done; it is asked again in time.",
  rejectedIdentifier:
    "The authority issues none for this name: use another one (semail:certificates.directory).",
  unsupportedIdentifier: "The authority issues none for this kind of name: use another one.",
  externalAccountRequired:
    "The authority wants an account that it knows: set semail:certificates.eabKeyId and the secret semail:eabKey.",
  invalidContact:
    "The authority does not take semail:certificates.contact: give an address of a public domain.",
  unsupportedContact: "The authority does not take semail:certificates.contact: give a mail address.",
  userActionRequired: "The authority has new terms of service: read them at the address in the message.",
  accountDoesNotExist: "The authority closed the account: have a new key made for it (docs/operations.md).",
  badSignatureAlgorithm: "The authority does not take ECDSA keys for accounts: use another one.",
  badCSR: "The authority does not take the request for this certificate: see the message.",
  serverInternal: "The authority has a fault: it is asked again.",
  malformed: "See the message; does semail:certificates.directory name an ACME directory (RFC 8555)?",
};

/** What the authority said, for `name` if it is about one. */
export function problemFault(
  { type, detail, subproblems = [] }: Problem,
  more: { name?: string; retryAfterMs?: number | undefined } = {},
): CertifierFault {
  const code = type.startsWith(NAMESPACE) ? type.slice(NAMESPACE.length) : type;
  const parts = subproblems.map((part) => `${part.identifier?.value ?? "?"}: ${part.detail ?? "?"}`);
  const text = [detail, ...parts].filter((line) => line !== "").join("; ");
  return new CertifierFault({
    code,
    message: `the authority says ${more.name === undefined ? "" : `of ${more.name} `}${code}: ${text}`,
    remedy: REMEDIES[code] ?? "See the message; it is tried again.",
    retryAfterMs: more.retryAfterMs,
  });
}

/** Nobody answers at the directory, or not as an ACME server does. */
export function unreachableFault(url: string, why: string, retryAfterMs?: number): CertifierFault {
  return new CertifierFault({
    code: "unreachable",
    message: `no answer of an ACME server from ${url}: ${why}`,
    remedy:
      "Does semail:certificates.directory name an ACME directory, and may the host reach it? A private authority's own certificate goes to semail:certificates.roots.",
    retryAfterMs,
  });
}

/** It is still trying to see the records of these names. */
export const undecidedFault = (names: readonly string[], seconds: number): CertifierFault =>
  new CertifierFault({
    code: "undecided",
    message: `the authority has not decided within ${seconds} seconds about ${names.join(", ")}`,
    remedy: `${DELEGATION} It is tried again.`,
  });

const RECORD_REMEDIES: Readonly<Record<number, string>> = {
  401: "Set semail:gandiToken to a valid personal access token, then run `npm run up`.",
  403: "Let the token of semail:gandiToken manage the technical configuration of the domain.",
  404: "Add the domain to LiveDNS, or let the token of semail:gandiToken see it.",
};

/** The record could not be written. `status`: of the API's answer, if there was one. */
export function recordFault(record: string, message: string, status: number | undefined): CertifierFault {
  const said = status === undefined ? message : `${status}: ${message}`;
  return new CertifierFault({
    code: "records",
    message: `the record ${record} can't be changed (${said})`,
    remedy:
      RECORD_REMEDIES[status ?? 0] ??
      "Is the API of semail:dns up, and may the host reach it? It is tried again.",
  });
}

/** RFC 9110 section 10.2.3: seconds, or a date. Milliseconds. */
export function retryAfterMs(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  const ms = /^\d+$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - now;
  return Number.isFinite(ms) ? Math.max(ms, 0) : undefined;
}
