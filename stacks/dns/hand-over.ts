/** What becomes of mail when records of the stack go: to another provider, or with their domain. Pure. */
import type { Finding } from "./findings.ts";
import type { HeldRecord } from "./held.ts";

/**
 * With `dns.provider: none` the stack gives its records up, and Pulumi takes out of a zone what is given up: until others
 * serve them, mail finds the host no more. Wanted is that only when it is said.
 */
export function checkHandOver(published: readonly Pick<HeldRecord, "zone">[], changeNow: boolean): Finding[] {
  if (published.length === 0) return [];
  const zones = [...new Set(published.map(({ zone }) => zone))];
  return [
    {
      severity: changeNow ? "warning" : "error",
      rule: "records stay until others are asked for them",
      record: zones.join(", "),
      message: `semail:dns.provider: none takes the stack's ${published.length} records out of the zone, the MX first: who looks there finds the mail host no more`,
      remedy: changeNow
        ? "Have them served elsewhere by now: the stack writes them to records.zone."
        : "Enter at the new provider what .semail/stacks/<stack>/records.zone has, let the registry name its servers, and wait for as long as the old ones are remembered; then semail:dns.changeNow: true takes them out of the old zone.",
    },
  ];
}

/**
 * A domain that leaves has its mail refused at once, since Pulumi deletes what is gone when all else is done, while senders
 * may remember the MX record (RFC 5321 section 5.1 has them ask for it first).
 */
export function checkLeaving(
  published: readonly Pick<HeldRecord, "zone" | "type" | "ttl">[],
  domains: readonly string[],
): Finding[] {
  return published
    .filter(({ zone, type }) => type === "MX" && !domains.includes(zone))
    .map(({ zone, ttl }) => ({
      severity: "warning",
      rule: "no mail for a domain that leaves",
      record: `${zone} MX`,
      message: `the domain leaves the stack: its mail is refused from this update on, and others remember the record for up to ${ttl} s after`,
      remedy:
        "Where mail may still come, first take the MX record out of the zone by hand and wait for as long; then run this update.",
    }));
}
