/** The DNS records of a mail domain, derived from the model. Pure. */
import type { Hostnames } from "./model.ts";

export type RecordType = "A" | "MX" | "TXT";

/** One rrset: all values of a name and type. */
export interface RecordSpec {
  /** Name relative to the domain; `@` is the domain itself. */
  readonly name: string;
  readonly type: RecordType;
  /** Time to live in seconds. */
  readonly ttl: number;
  /** Values as in a zone file; TXT without quotes. */
  readonly values: readonly string[];
}

export interface RecordFacts {
  readonly domain: string;
  readonly hostnames: Hostnames;
  readonly ttl: number;
  /** Where each of the host names points. */
  readonly addresses: Readonly<Record<keyof Hostnames, string>>;
}

/** Selector of the domain's DKIM key. */
export const DKIM_SELECTOR = "semail1";

/** Every record but DKIM's, whose value is known only once the key exists. */
export function mailRecords(facts: RecordFacts): RecordSpec[] {
  const { domain, hostnames, ttl, addresses } = facts;
  const record = (name: string, type: RecordType, ...values: string[]): RecordSpec => ({
    name,
    type,
    ttl,
    values,
  });
  return [
    record(relative(hostnames.mx, domain), "A", addresses.mx),
    record(relative(hostnames.smtp, domain), "A", addresses.smtp),
    record(relative(hostnames.imap, domain), "A", addresses.imap),
    record("@", "MX", `10 ${hostnames.mx}.`),
    record("@", "TXT", `v=spf1 a:${hostnames.smtp} -all`),
    // A bounce has no sender domain, so its SPF check looks at the HELO name (RFC 7208 section 2.4).
    record(relative(hostnames.smtp, domain), "TXT", "v=spf1 a -all"),
    record("_dmarc", "TXT", `v=DMARC1; p=none; rua=mailto:postmaster@${domain}`),
  ];
}

/** The DKIM key record (RFC 6376 section 3.6.2.1). `value` may be one that is still to come. */
export function dkimRecord<Value>(value: Value, ttl: number) {
  return { name: `${DKIM_SELECTOR}._domainkey`, type: "TXT", ttl, values: [value] } as const;
}

/** What the DKIM key record says (RFC 6376 section 3.6.1). `publicKey` is the SubjectPublicKeyInfo in base64. */
export function dkimValue(publicKey: string): string {
  return `v=DKIM1; k=rsa; p=${publicKey}`;
}

function relative(host: string, domain: string): string {
  return host.slice(0, -(domain.length + 1));
}
