/** The DNS records of the mail domains, derived from the config. Pure. */
import { createHash, createPublicKey, type KeyObject, X509Certificate } from "node:crypto";
import { dmarcValue } from "./dns/dmarc.ts";
import { mailto } from "./dns/mailto.ts";
import { policyId, policyOf } from "./dns/mta-sts.ts";
import type { Hostnames } from "./model.ts";
import type { StackConfig } from "./schema.ts";

export type RecordType = "A" | "AAAA" | "CAA" | "MX" | "SRV" | "TLSA" | "TXT";

/** One rrset: all values of a name and type. */
export interface RecordSpec {
  /** The domain in whose zone it is. */
  readonly zone: string;
  /** Name relative to the zone; `@` is the zone itself. */
  readonly name: string;
  readonly type: RecordType;
  /** Time to live in seconds. */
  readonly ttl: number;
  /** Values as in a zone file; TXT without quotes. */
  readonly values: readonly string[];
  /** Others have values in it, too: it stays when the stack goes. */
  readonly shared?: boolean;
}

/** A record whose values may be known only later. */
export type PendingRecord<Value> = Omit<RecordSpec, "values"> & { readonly values: readonly Value[] };

/** Where people and servers are let in. */
export type MailPorts = Pick<
  StackConfig["ports"],
  "submission" | "submissions" | "imap" | "imaps" | "sieve"
> & {
  readonly pop3s?: number;
};

export interface RecordFacts {
  /** The domain in which the host's names are. */
  readonly domain: string;
  /** All that are served, the first among them. */
  readonly domains: readonly string[];
  /** Those of them whose mail others shall no longer send here. */
  readonly leaving: readonly string[];
  readonly hostnames: Hostnames;
  readonly dns: StackConfig["dns"];
  /** Where each of the host names points, IPv4. */
  readonly addresses: Readonly<Record<keyof Hostnames, string>>;
  /** The host's IPv6 address. */
  readonly address6: string | undefined;
  /** Where the policy and the settings of mail programs are served over HTTPS. */
  readonly web: string | undefined;
  readonly ports: MailPorts;
}

/** Every record but those whose value is known only once a key exists. */
export function mailRecords(facts: RecordFacts): RecordSpec[] {
  return [...hostRecords(facts), ...facts.domains.flatMap((domain) => domainRecords(domain, facts))];
}

type Make = (name: string, type: RecordType, ...values: string[]) => RecordSpec;

const maker =
  (zone: string, ttl: number): Make =>
  (name, type, ...values) => ({ zone, name, type, ttl, values });

/** The host's own names. */
function hostRecords({ domain, hostnames, dns, addresses, address6 }: RecordFacts): RecordSpec[] {
  const record = maker(domain, dns.ttl);
  const names = (["mx", "smtp", "imap"] as const).map((host) => ({
    name: relative(hostnames[host], domain),
    address: addresses[host],
  }));
  return [
    ...names.flatMap(({ name, address }) => [
      record(name, "A", address),
      ...(address6 === undefined ? [] : [record(name, "AAAA", address6)]),
    ]),
    // A bounce has no sender domain, so its SPF check looks at the HELO name (RFC 7208 section 2.4).
    record(relative(hostnames.smtp, domain), "TXT", "v=spf1 a -all"),
  ];
}

/** What the SPF record of a served domain must say at least. */
export function spfTerms({ hostnames }: Pick<RecordFacts, "hostnames">): string[] {
  return [`a:${hostnames.smtp}`];
}

/** What a domain says of its mail. */
function domainRecords(zone: string, facts: RecordFacts): RecordSpec[] {
  const { hostnames, dns, leaving } = facts;
  const record = maker(zone, dns.ttl);
  const postmaster = [`postmaster@${zone}`];
  const tlsReports = dns.tlsReports ?? postmaster;
  return [
    ...(leaving.includes(zone) ? [] : [record("@", "MX", `10 ${hostnames.mx}.`)]),
    record("@", "TXT", ["v=spf1", ...spfTerms(facts), "-all"].join(" ")),
    record("_dmarc", "TXT", dmarcValue({ ...dns.dmarc, rua: dns.dmarc.rua ?? postmaster })),
    // RFC 8460 section 3
    ...(tlsReports.length === 0
      ? []
      : [record("_smtp._tls", "TXT", `v=TLSRPTv1; rua=${tlsReports.map(mailto).join(",")}`)]),
    ...services(facts, record),
    ...webRecords(zone, facts, record),
    // RFC 8659 section 4.2
    ...(dns.caa.length === 0 ? [] : [record("@", "CAA", ...dns.caa.map((ca) => `0 issue "${ca}"`))]),
  ];
}

/** Where mail programs find the services. */
function services({ hostnames, ports }: RecordFacts, record: Make): RecordSpec[] {
  const { smtp, imap } = hostnames;
  const service = (name: string, priority: number, port: number, host: string) =>
    record(`_${name}._tcp`, "SRV", `${priority} 1 ${port} ${host}.`);
  return [
    // RFC 8314 section 5.1: TLS from the start is what programs shall prefer.
    service("submissions", 0, ports.submissions, smtp),
    service("submission", 10, ports.submission, smtp),
    service("imaps", 0, ports.imaps, imap),
    service("imap", 10, ports.imap, imap),
    // RFC 5804 section 1.8
    service("sieve", 0, ports.sieve, imap),
    // RFC 6186 section 3.4: what is not offered is said so.
    record("_pop3._tcp", "SRV", "0 0 0 ."),
    ports.pop3s === undefined
      ? record("_pop3s._tcp", "SRV", "0 0 0 .")
      : service("pop3s", 20, ports.pop3s, imap),
  ];
}

/** Names that are served over HTTPS. */
function webRecords(zone: string, facts: RecordFacts, record: Make): RecordSpec[] {
  const { dns, web, address6 } = facts;
  if (web === undefined) return [];
  const host = (name: string) => [
    record(name, "A", web),
    ...(address6 === undefined ? [] : [record(name, "AAAA", address6)]),
  ];
  const policy = policyOf(zone, facts);
  return [
    ...(policy === undefined
      ? []
      : // RFC 8461 section 3.1: another id tells senders to fetch the policy again.
        [record("_mta-sts", "TXT", `v=STSv1; id=${policyId(policy)};`), ...host("mta-sts")]),
    ...(dns.autoconfig ? [...host("autoconfig"), ...host("autodiscover")] : []),
  ];
}

/** The DKIM key record (RFC 6376 section 3.6.2.1). `value` may be one that is still to come. */
export function dkimRecord<Value>(zone: string, selector: string, value: Value, ttl: number) {
  return { zone, name: `${selector}._domainkey`, type: "TXT", ttl, values: [value] } as const;
}

/**
 * What the DKIM key record says (RFC 6376 section 3.6.1). `publicKey` in base64: the SubjectPublicKeyInfo of an RSA key,
 * the bare bytes of an Ed25519 key (RFC 8463 section 4.2).
 */
export function dkimValue(publicKey: string, kind: "rsa" | "ed25519" = "rsa"): string {
  return `v=DKIM1; k=${kind}; p=${publicKey}`;
}

/** The TLSA record of the MX host (RFC 7672 section 3). */
export function tlsaRecord<Value>(
  facts: { domain: string; mx: string; ttl: number },
  ...values: readonly Value[]
) {
  const name = `_25._tcp.${relative(facts.mx, facts.domain)}`;
  return { zone: facts.domain, name, type: "TLSA", ttl: facts.ttl, values } as const;
}

/**
 * DANE-TA(2) SPKI(1) SHA2-256(1) of the authority that issues the host's certificates (RFC 7671 section 5.2). It
 * outlives each of them, so that no renewal has to wait for DNS (section 8.1 asks that of a record per certificate).
 */
export function tlsaValue(authorityPem: string): string {
  return `2 1 1 ${spkiDigest(new X509Certificate(authorityPem).publicKey)}`;
}

/**
 * DANE-EE(3) SPKI(1) SHA2-256(1) of the host's key (RFC 7671 section 5.1). It holds for every certificate for that key,
 * whoever issued it.
 */
export function tlsaKeyValue(publicKeyPem: string): string {
  return `3 1 1 ${spkiDigest(createPublicKey(publicKeyPem))}`;
}

const spkiDigest = (key: KeyObject): string =>
  createHash("sha256")
    .update(key.export({ type: "spki", format: "der" }))
    .digest("hex");

function relative(host: string, domain: string): string {
  return host.slice(0, -(domain.length + 1));
}
