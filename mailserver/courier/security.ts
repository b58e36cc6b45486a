/** Finds out how sessions with the mail hosts of a domain must be secured: asks DNS and HTTPS, and lets policy decide. */
import {
  decideTls,
  type StsFacts,
  type TlsaFacts,
  type TlsaRecord,
  type TlsDecision,
} from "../policy/tls.ts";
import {
  type AppliedPolicy,
  NO_POLICY,
  type PolicyFailure,
  stsPolicy,
  tlsaPolicy,
  UNKNOWN_STS,
} from "../policy/tls-report.ts";
import type { StsFound, StsPolicies } from "./mta-sts.ts";
import type { DnsAnswer, HostAddresses } from "./mx.ts";

/** The DNS questions that security asks; errors carry codes of node:dns. */
export interface SecurityDns {
  resolveTlsa(name: string): Promise<DnsAnswer<TlsaRecord>>;
  /** The strings of each record joined. */
  resolveTxt(name: string): Promise<DnsAnswer<string>>;
}

export interface SecurityDeps {
  readonly dns: Pick<SecurityDns, "resolveTlsa">;
  readonly sts: StsPolicies;
  /** Port of the mail hosts. */
  readonly port: number;
  /** Domains of which no more is asked than what goes. */
  readonly exempt: readonly string[];
}

/** A mail host and what DNSSEC vouches for on the way to it. */
export interface HostFacts {
  readonly host: string;
  /** That the domain named this host. */
  readonly named: boolean;
  readonly found: Pick<Extract<HostAddresses, { kind: "addresses" }>, "secure" | "name">;
}

/** What is to be reported of a session; none of that for a domain that the operator exempts, and for an address literal. */
export interface Reportable {
  /** What the domain publishes about its TLS; that it publishes nothing, too. */
  readonly policy?: AppliedPolicy;
  /** Why a policy that there should be could not be had. */
  readonly lack?: PolicyFailure;
}
export type SecuredBy = TlsDecision & Reportable;
/** Decides for the hosts of a domain. */
export type DomainSecurity = (facts: HostFacts) => Promise<SecuredBy>;
export type Security = (domain: string) => Promise<DomainSecurity>;

export function createSecurity({ dns, sts, port, exempt }: SecurityDeps): Security {
  const exempted = new Set(exempt);
  return async (domain) => {
    if (exempted.has(domain.toLowerCase())) return async () => ({ kind: "opportunistic" });
    // RFC 8461 section 3.1: an address literal has no policy.
    const literal = domain.startsWith("[");
    const published = literal ? {} : await sts.find(domain);
    return async ({ host, named, found }) => {
      // RFC 7672 sections 2.2.1 and 2.2.2: what nobody vouches for leads to no TLSA record that means anything.
      const tlsa: TlsaFacts =
        named && found.secure ? await findTlsa(dns, port, [found.name, host]) : { kind: "none" };
      const facts: StsFacts | undefined = published.rule?.facts(host);
      const decision = decideTls({ domain, host, tlsa, ...(facts && { sts: facts }) });
      return literal ? decision : { ...decision, ...reportable(decision, { host, tlsa, published }) };
    };
  };
}

interface Found {
  readonly host: string;
  readonly tlsa: TlsaFacts;
  readonly published: StsFound;
}

function reportable(decision: TlsDecision, { host, tlsa, published: { rule, failure } }: Found): Reportable {
  if (decision.kind === "opportunistic") {
    return failure === undefined ? { policy: NO_POLICY } : { policy: UNKNOWN_STS, lack: failure };
  }
  if (decision.by === "DANE" || rule === undefined) {
    return { policy: tlsaPolicy(host, tlsa.kind === "records" ? tlsa.records : []) };
  }
  const { mode, mx, fetched, expires } = rule.policy;
  return { policy: stsPolicy(mode, mx, Math.round((expires - fetched) / 1_000)) };
}

const ABSENT: ReadonlySet<string> = new Set(["ENOTFOUND", "ENODATA", "EBADNAME"]);

/** RFC 7672 section 2.2.3: below the name at the end of the aliases first, then below the one in the MX record. */
async function findTlsa(
  dns: SecurityDeps["dns"],
  port: number,
  names: readonly string[],
): Promise<TlsaFacts> {
  for (const base of new Set(names)) {
    try {
      const { records, secure } = await dns.resolveTlsa(`_${port}._tcp.${base}`);
      if (secure) return { kind: "records", base, records };
    } catch (error) {
      const code = error instanceof Error && "code" in error ? String(error.code) : "unknown";
      // A name that is too long with the prefix can have no records.
      if (!ABSENT.has(code)) return { kind: "unknown", code };
    }
  }
  return { kind: "none" };
}
