/** What becomes of mail when the records of the stack go to another provider. Pure. */
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
