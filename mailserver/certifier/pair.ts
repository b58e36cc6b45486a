/** What a certificate and its key say. Pure. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import type { TlsIdentity } from "../net/types.ts";

export interface PairFacts {
  /** Host names, lower case. */
  readonly names: readonly string[];
  /** Milliseconds since 1970. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** The stack's own authority issued it. */
  readonly own: boolean;
  /** Its key is the one that the stack's TLSA record tells of. */
  readonly rightKey: boolean;
}

/** `own`: the pair of the stack's own authority. Undefined when there is no certificate, or its key isn't there. */
export function factsOf(pair: TlsIdentity | undefined, own: TlsIdentity): PairFacts | undefined {
  if (pair === undefined) return undefined;
  try {
    const leaf = new X509Certificate(pair.certificate);
    const key = createPrivateKey(pair.key);
    if (!leaf.checkPrivateKey(key)) return undefined;
    return {
      names: (leaf.subjectAltName ?? "")
        .split(", ")
        .flatMap((name) => (name.startsWith("DNS:") ? [name.slice(4).toLowerCase()] : [])),
      notBefore: leaf.validFromDate.getTime(),
      notAfter: leaf.validToDate.getTime(),
      own: leaf.checkIssued(issuerOf(own)),
      rightKey: leaf.checkPrivateKey(createPrivateKey(own.key)),
    };
  } catch {
    return undefined;
  }
}

const BLOCK = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** The certificates of a chain, the leaf first. */
export function splitChain(pem: string): string[] {
  return pem.match(BLOCK) ?? [];
}

function issuerOf({ certificate }: TlsIdentity): X509Certificate {
  const chain = splitChain(certificate);
  return new X509Certificate(chain[1] ?? chain[0] ?? certificate);
}
