/** Whether the certificate that a peer showed will do. */
import { createHash, createPublicKey, X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import type { TlsaRecord } from "../policy/tls.ts";
import type { Verification } from "./types.ts";

/** The peer's certificate is not one that was asked for; the message goes on "The certificate …". */
export class CertificateRefused extends Error {
  override readonly name = "CertificateRefused";
}

/** RFC 5280 knows no limit; real chains have three or four. */
const MAX_CHAIN = 10;

/** After a hand-shake: what is wrong with the certificate, in words that go on "The certificate …". */
export function certificateProblem(secured: TLSSocket, verify: Verification, now: Date): string | undefined {
  const chain = chainOf(secured);
  const [leaf] = chain;
  if (leaf === undefined) return "is missing";
  if (verify.kind === "dane") return daneProblem(chain, verify, now);
  if (!secured.authorized) return `is not trusted (${errorCode(secured.authorizationError)})`;
  // RFC 8461 section 4.1: alternative names alone.
  return isFor(leaf, verify.name, "never") ? undefined : `is not for ${verify.name}`;
}

/** RFC 6125 section 6.4: a wildcard is the whole first label. `subject`: when the common name counts. */
function isFor(certificate: X509Certificate, name: string, subject: "default" | "never"): boolean {
  const options = { subject, partialWildcards: false, singleLabelSubdomains: false } as const;
  return certificate.checkHost(name, options) !== undefined;
}

/** Leaf first. */
function chainOf(secured: TLSSocket): X509Certificate[] {
  const chain: X509Certificate[] = [];
  let next = secured.getPeerX509Certificate();
  for (; next !== undefined && chain.length < MAX_CHAIN; next = next.issuerCertificate) chain.push(next);
  return chain;
}

type Dane = Extract<Verification, { kind: "dane" }>;

function daneProblem(
  chain: readonly X509Certificate[],
  { names, records }: Dane,
  now: Date,
): string | undefined {
  const [leaf] = chain;
  if (leaf === undefined) return "is missing";
  // RFC 7672 section 3.1.1: neither name nor time count, the record says it all.
  if (records.some((record) => record.usage === 3 && fits(leaf, record))) return undefined;
  const anchors = records.filter(({ usage }) => usage === 2);
  if (anchors.length === 0 || !leadsTo(anchors, chain, now)) return "fits no TLSA record";
  // RFC 7672 section 3.2.3: private authorities still write a common name alone. It counts where there is no alternative
  // DNS name (RFC 6125 section 6.4.4), and only here.
  return names.some((name) => isFor(leaf, name, "default")) ? undefined : `is not for ${names[0]}`;
}

/**
 * RFC 7672 section 3.1.2: from the leaf, each issued by the next and in its time, up to one that a record fits. A path
 * length or names that an authority limits are not looked at: who has a usage 2 record vouches for what it signs.
 */
function leadsTo(anchors: readonly TlsaRecord[], chain: readonly X509Certificate[], now: Date): boolean {
  const pool = [...chain, ...anchors.flatMap(published)];
  let [current] = chain;
  for (let depth = 0; current !== undefined && depth < MAX_CHAIN; depth += 1) {
    if (now < current.validFromDate || now > current.validToDate) return false;
    const certificate: X509Certificate = current;
    if (depth > 0 && anchors.some((record) => fits(certificate, record))) return true;
    if (anchors.some((record) => isIssuingKey(certificate, record))) return true;
    current = pool.find((issuer) => issuer !== certificate && issuer.ca && issued(issuer, certificate));
  }
  return false;
}

function issued(issuer: X509Certificate, certificate: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

/** RFC 7671 section 5.2.2: an authority's whole certificate may be in DNS, and then need not be in the chain. */
function published({ selector, matching, data }: TlsaRecord): X509Certificate[] {
  if (selector !== 0 || matching !== 0) return [];
  try {
    return [new X509Certificate(Buffer.from(data, "hex"))];
  } catch {
    return [];
  }
}

/** RFC 7671 section 5.2.3: so may its bare key. */
function isIssuingKey(certificate: X509Certificate, { selector, matching, data }: TlsaRecord): boolean {
  if (selector !== 1 || matching !== 0) return false;
  try {
    return certificate.verify(
      createPublicKey({ key: Buffer.from(data, "hex"), format: "der", type: "spki" }),
    );
  } catch {
    return false;
  }
}

const DIGESTS: ReadonlyMap<number, string> = new Map([
  [1, "sha256"],
  [2, "sha512"],
]);

/** RFC 6698 section 2.1.2 to 2.1.4. */
function fits(certificate: X509Certificate, { selector, matching, data }: TlsaRecord): boolean {
  const selected =
    selector === 0 ? certificate.raw : certificate.publicKey.export({ type: "spki", format: "der" });
  const digest = DIGESTS.get(matching);
  const shown = digest === undefined ? selected : createHash(digest).update(selected).digest();
  return shown.toString("hex") === data.toLowerCase();
}

function errorCode(error: unknown): string {
  if (typeof error === "string") return error;
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}
