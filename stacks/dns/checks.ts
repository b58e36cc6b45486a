/** Checks of the records that a zone will have: the stack's own, and those that it holds already. Pure. */
import { txtBytes } from "@pulumi/gandi/txt.ts";
import { dmarcFaults, reportDomains } from "./dmarc.ts";
import type { Finding } from "./findings.ts";
import {
  checkHeld,
  checkPending,
  checkSpfCount,
  type HeldFacts,
  type HeldIndex,
  type HeldRecord,
  indexHeld,
  type Place,
  textsOf,
} from "./held.ts";
import { labelOf } from "./move.ts";
import { covers } from "./mta-sts.ts";
import { SPF_LIMITS, type SpfCost } from "./spf.ts";

export interface ZoneFacts extends Omit<HeldFacts, "held" | "published"> {
  /** What the zones hold now; undefined where it could not be asked. */
  readonly held: readonly HeldRecord[] | undefined;
  /** What is there of the stack's own. */
  readonly published: readonly HeldRecord[];
  /** What the stack declares. */
  readonly wanted: readonly HeldRecord[];
  /** The same of those whose values come from keys that are still to be made. */
  readonly pending: readonly Place[];
  /** Patterns of the MTA-STS policy, if one is published. */
  readonly stsHosts: readonly string[] | undefined;
}

/** Longest name server answer that needs no TCP everywhere is 1232; what a zone holds is bounded by 65,535. */
const MAX_RRSET = 65_535;

/** Everything that is wrong. */
export function checkZone(facts: ZoneFacts): Finding[] {
  const { wanted, held = [], published, ...settings } = facts;
  const there = { ...settings, held: indexHeld(held), published: indexHeld(published) };
  const all = indexHeld([...wanted, ...held]);
  return [
    ...facts.pending.flatMap((record) => checkPending(record, there)),
    ...wanted.flatMap((record) => [
      ...checkSpfCount(record),
      ...checkText(record),
      ...checkDmarc(record),
      ...checkMx(record, all),
      ...checkSts(record, facts.stsHosts),
      ...checkHeld(record, there),
    ]),
  ];
}

function checkText(record: HeldRecord): Finding[] {
  if (record.type !== "TXT") return [];
  const unsplit = record.values.find(
    (value) =>
      value.startsWith('"') &&
      [...value.matchAll(/"((?:[^"\\]|\\.)*)"/g)].some(
        ([, part = ""]) => part.replace(/\\(\d{3}|.)/g, "x").length > 255,
      ),
  );
  const size = record.values.reduce((sum, value) => {
    const { length } = txtBytes(value) ?? Buffer.from(value);
    return sum + length + Math.ceil(length / 255) + 12;
  }, 0);
  const finding = (rule: string, message: string, remedy: string): Finding => ({
    severity: "error",
    rule,
    record: labelOf(record),
    message,
    remedy,
  });
  return [
    ...(unsplit === undefined
      ? []
      : [
          finding(
            "strings of 255 bytes, RFC 1035 section 3.3",
            "a string is longer than 255 bytes",
            "Split it into several strings in quotes, or write the text without quotes.",
          ),
        ]),
    ...(size <= MAX_RRSET
      ? []
      : [
          finding(
            "size of a record set, RFC 1035 section 4.2.2",
            `the values have ${size} bytes together; ${MAX_RRSET} fit into an answer`,
            "Take values out.",
          ),
        ]),
  ];
}

function checkDmarc(record: HeldRecord): Finding[] {
  if (record.name !== "_dmarc") return [];
  return textsOf(record).flatMap((text) =>
    dmarcFaults(text).map((fault) => ({
      severity: "error" as const,
      rule: "DMARC syntax, RFC 7489 section 6.3",
      record: labelOf(record),
      message: fault,
      remedy: "Correct semail:dns.dmarc, or the record in the zone.",
    })),
  );
}

function checkMx(record: HeldRecord, all: HeldIndex): Finding[] {
  if (record.type !== "MX") return [];
  return record.values.flatMap((value): Finding[] => {
    const host = (value.split(/\s+/)[1] ?? "").toLowerCase().replace(/\.$/, "");
    const at = (message: string, remedy: string): Finding[] => [
      {
        severity: "error",
        rule: "MX names a host, RFC 2181 section 10.3",
        record: labelOf(record),
        message,
        remedy,
      },
    ];
    if (/^[\d.]+$/.test(host) || host.includes(":"))
      return at(`${host} is an address`, "Give the address a name with an A record, and name that.");
    if (all.same({ zone: host, name: "@", type: "CNAME" }) !== undefined)
      return at(`${host} is a CNAME`, `Remove the CNAME ${host}: the stack makes its A record.`);
    return [];
  });
}

function checkSts(record: HeldRecord, patterns: readonly string[] | undefined): Finding[] {
  if (record.type !== "MX" || patterns === undefined) return [];
  return record.values
    .map((value) => (value.split(/\s+/)[1] ?? "").toLowerCase().replace(/\.$/, ""))
    .filter((host) => !covers(patterns, host))
    .map((host) => ({
      severity: "error" as const,
      rule: "the policy covers the MX, RFC 8461 section 4.1",
      record: labelOf(record),
      message: `the MTA-STS policy doesn't name ${host}`,
      remedy: "Name it in the policy, or take it out of the MX record.",
    }));
}

/** Report addresses of other domains need those domains' consent (RFC 7489 section 7.1). `consents`: who gave it. */
export function checkReports(
  record: HeldRecord,
  domains: readonly string[],
  consents: ReadonlySet<string> | undefined,
): Finding[] {
  if (record.name !== "_dmarc") return [];
  const abroad = textsOf(record)
    .flatMap(reportDomains)
    .filter((domain) => !domains.some((own) => domain === own || domain.endsWith(`.${own}`)));
  return abroad
    .filter((domain) => !consents?.has(domain))
    .map((domain) => ({
      severity: consents === undefined ? ("warning" as const) : ("error" as const),
      rule: "consent to reports, RFC 7489 section 7.1",
      record: labelOf(record),
      message:
        consents === undefined
          ? `whether ${domain} takes reports could not be asked`
          : `${domain} doesn't say that it takes reports of ${record.zone}`,
      remedy: `${domain} needs the TXT record ${consentName(record.zone, domain)} with v=DMARC1, or name an address of your own in semail:dns.dmarc.rua.`,
    }));
}

/** Where a domain says that it takes another's reports. */
export const consentName = (zone: string, domain: string): string => `${zone}._report._dmarc.${domain}`;

/** Domains outside ours that get reports of a record. */
export function reportsAbroad(record: HeldRecord, domains: readonly string[]): string[] {
  return record.name === "_dmarc"
    ? textsOf(record)
        .flatMap(reportDomains)
        .filter((domain) => !domains.includes(domain))
    : [];
}

/** What the evaluation of an SPF record found. */
export function checkSpfCost(record: HeldRecord, { lookups, voids, unknown, broken }: SpfCost): Finding[] {
  const finding = (severity: Finding["severity"], message: string, remedy: string): Finding => ({
    severity,
    rule: "SPF look-ups, RFC 7208 section 4.6.4",
    record: labelOf(record),
    message,
    remedy,
  });
  return [
    ...(lookups > SPF_LIMITS.lookups
      ? [
          finding(
            "error",
            `it takes ${lookups} look-ups; receivers stop after ${SPF_LIMITS.lookups} and take none of it`,
            "Take includes out that nobody sends through any more, or write their networks as ip4: and ip6:.",
          ),
        ]
      : []),
    ...(voids > SPF_LIMITS.voids
      ? [
          finding(
            "error",
            `${voids} of its look-ups find nothing; receivers stop after ${SPF_LIMITS.voids}`,
            "Take out the terms whose names are no more.",
          ),
        ]
      : []),
    ...broken.map((name) =>
      finding("error", `${name} has no single SPF record of its own to include`, `Take ${name} out.`),
    ),
    ...(unknown.length > 0
      ? [
          finding(
            "warning",
            `not evaluated to the end: ${[...new Set(unknown)].join(", ")} could not be asked for`,
            "Run it again where a resolver can be reached.",
          ),
        ]
      : []),
  ];
}
