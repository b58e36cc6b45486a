/** MTA-STS policies (RFC 8461). Pure. */
import { createHash } from "node:crypto";

export interface StsPolicy {
  readonly mode: "testing" | "enforce" | "none";
  /** Seconds. */
  readonly maxAge: number;
}

/** For a domain whose mail may soon go to hosts of others: one day is what RFC 8461 section 8.3 calls short. */
const GIVEN_UP: StsPolicy = { mode: "none", maxAge: 86_400 };

/** The policy file (RFC 8461 section 3.2), as it is served at `https://mta-sts.<domain>/.well-known/mta-sts.txt`. */
export function policyText({ mode, maxAge }: StsPolicy, mxHosts: readonly string[]): string {
  const lines = [
    "version: STSv1",
    `mode: ${mode}`,
    ...mxHosts.map((mx) => `mx: ${mx}`),
    `max_age: ${maxAge}`,
  ];
  return `${lines.join("\r\n")}\r\n`;
}

export interface PolicyFacts {
  readonly domains: readonly string[];
  /** Those of them that are given up. */
  readonly leaving: readonly string[];
  readonly hostnames: { readonly mx: string };
  readonly dns: { readonly mtaSts?: StsPolicy | undefined };
}

/** The policy file of a domain; undefined where there is none. */
export function policyOf(domain: string, { leaving, hostnames, dns }: Omit<PolicyFacts, "domains">) {
  if (dns.mtaSts === undefined) return undefined;
  return leaving.includes(domain) ? policyText(GIVEN_UP, []) : policyText(dns.mtaSts, [hostnames.mx]);
}

/** That of each domain that has one. */
export function policyTexts(facts: PolicyFacts): Record<string, string> {
  return Object.fromEntries(
    facts.domains.flatMap((domain) => {
      const text = policyOf(domain, facts);
      return text === undefined ? [] : [[domain, text]];
    }),
  );
}

/** An id that another policy doesn't have: at most 32 letters and digits (RFC 8461 section 3.1). */
export function policyId(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 20);
}

/** The `mx` patterns of a policy file; undefined when it is none. */
export function policyHosts(text: string): string[] | undefined {
  const fields = text.split(/\r?\n/).map((line) => /^\s*([a-z_]+)\s*:\s*(.*?)\s*$/i.exec(line));
  if (!fields.some((field) => field?.[1] === "version" && field[2] === "STSv1")) return undefined;
  return fields.flatMap((field) => (field?.[1] === "mx" && field[2] ? [field[2].toLowerCase()] : []));
}

/** Whether the policy's patterns let a host be an MX: `*.` stands for one label (RFC 8461 section 4.1). */
export function covers(patterns: readonly string[], host: string): boolean {
  const parent = host.slice(host.indexOf(".") + 1);
  return patterns.some((pattern) =>
    pattern.startsWith("*.") ? pattern.slice(2) === parent : pattern === host,
  );
}
