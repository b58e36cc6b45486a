/**
 * A domain is given up in two updates: one takes its MX record out of the zone (RFC 5321 section 5.1 has senders ask for it
 * first) while its mail is still taken, and, when nobody remembers the record any more, one takes the domain out. Pure.
 */
import type { Finding } from "./findings.ts";
import type { HeldRecord } from "./held.ts";
import { type DnsState, labelOf, mxHost } from "./move.ts";

export interface LeavingFacts {
  /** Every domain whose mail is ours. */
  readonly domains: readonly string[];
  /** Those of them that are given up. */
  readonly leaving: readonly string[];
  /** The host that takes their mail. */
  readonly mx: string;
  /** Of the last update that came to its end. */
  readonly prior: DnsState | undefined;
  /** What the stack has in the zones, also by an update that didn't come to its end. */
  readonly published: readonly HeldRecord[];
  /** What the zones hold; undefined where they weren't asked. */
  readonly held: readonly HeldRecord[] | undefined;
  /** Whether it is wanted at once, although others may still send mail. */
  readonly changeNow: boolean;
  readonly now: Date;
}

export interface LeavingPlan {
  readonly findings: readonly Finding[];
  /** What is told, and is no fault. */
  readonly notes: readonly string[];
  /** Until when somebody may remember the MX record of a domain that is given up, ISO 8601. */
  readonly left: Readonly<Record<string, string>>;
}

/** Seconds: what an update removes it removes when it has said what the next one has to know. */
const MARGIN = 900;

const RULE = "no mail for a domain that leaves";
const HURRY = "Where no mail is expected, semail:dns.changeNow: true takes it out at once.";

/** What the update does to those who remember where a domain's mail went. */
export function planLeaving(facts: LeavingFacts): LeavingPlan {
  const { leaving, changeNow, now } = facts;
  const left = Object.fromEntries(
    leaving.flatMap((domain) => {
      const until = forgotten(domain, facts);
      return until === undefined ? [] : [[domain, until]];
    }),
  );
  const gone = [...sudden(facts), ...early(facts)].map(
    ({ domain, fault, remedy }): Finding => ({
      severity: changeNow ? "warning" : "error",
      rule: RULE,
      record: mxOf(domain),
      message: `the domain leaves the stack, which refuses its mail from this update on: ${fault}`,
      remedy: changeNow ? "Who sends to it meanwhile gets the mail back." : remedy,
    }),
  );
  return {
    left,
    notes: Object.entries(left).map(([domain, until]) => leavingNote(domain, until, now)),
    findings: [...gone, ...leaving.flatMap((domain) => stays(domain, facts))],
  };
}

/** What is told of a domain that leaves. */
export function leavingNote(domain: string, until: string, now: Date): string {
  const out = "take it out of semail:domains and semail:leaving";
  return Date.parse(until) > now.getTime()
    ? `${domain} leaves: it has no MX record of the stack's any more, and its mail is still taken. Others may remember the record until ${until}: after that ${out}`
    : `${domain} leaves: nobody remembers its MX record any more. Now ${out}`;
}

const mxOf = (zone: string): string => labelOf({ zone, name: "@", type: "MX" });

const isMx = ({ name, type }: HeldRecord): boolean => name === "@" && type === "MX";

/** The MX record sets of a domain among others; one at most in a zone. */
export const mxRecordsOf = (domain: string, records: readonly HeldRecord[] = []): HeldRecord[] =>
  records.filter((record) => record.zone === domain && isMx(record));

/** The stack's own MX record of a domain, before this update; its TTL is the set's, in which others may have values. */
function ownTtls(domain: string, { prior, published, held }: LeavingFacts): number[] {
  const own = mxRecordsOf(domain, published);
  const told = prior?.hosts[mxOf(domain)] === undefined ? [] : [prior.ttl];
  if (own.length + told.length === 0) return [];
  return [...told, ...[...own, ...mxRecordsOf(domain, held)].map(({ ttl }) => ttl)];
}

/** By when nobody remembers the record; undefined of a domain that had none. */
function forgotten(domain: string, facts: LeavingFacts): string | undefined {
  const { prior, now } = facts;
  const ttls = ownTtls(domain, facts);
  const known = prior?.left?.[domain];
  if (ttls.length === 0) return known;
  const after = new Date(now.getTime() + (Math.max(...ttls) + MARGIN) * 1_000).toISOString();
  return [after, known ?? "", prior?.rememberedUntil ?? ""].toSorted().at(-1);
}

interface Gone {
  readonly domain: string;
  readonly fault: string;
  readonly remedy: string;
}

/** Domains that are served no more, with their MX record there. */
function sudden(facts: LeavingFacts): Gone[] {
  const { domains, prior, published } = facts;
  const told = Object.keys(prior?.hosts ?? {}).filter((label) => label.endsWith(" MX"));
  const had = new Set([
    ...told.map((label) => label.slice(0, -" MX".length)),
    ...published.filter(isMx).map(({ zone }) => zone),
  ]);
  return [...had]
    .filter((domain) => !domains.includes(domain) && !isHosts(domain, prior))
    .map((domain) => ({
      domain,
      fault: `its MX record is there, and others remember it for up to ${Math.max(...ownTtls(domain, facts))} s after`,
      remedy: `First one update with it in semail:domains and in semail:leaving, which takes the record out; it says from when on this one is safe. ${HURRY}`,
    }));
}

/** Whether the host's own name is in it: that it goes is for `move.ts` to say. */
function isHosts(domain: string, prior: DnsState | undefined): boolean {
  const values = prior?.hosts[mxOf(domain)] ?? [];
  return values.some((value) => mxHost(value, domain).endsWith(`.${domain}`));
}

/** Domains that are served no more, whose MX record somebody may remember. */
function early({ domains, prior, now }: LeavingFacts): Gone[] {
  return Object.entries(prior?.left ?? {})
    .filter(([domain, until]) => !domains.includes(domain) && Date.parse(until) > now.getTime())
    .map(([domain, until]) => ({
      domain,
      fault: `others may remember its MX record until ${until}`,
      remedy: `Run this update after that. ${HURRY}`,
    }));
}

/** What has mail come here although the stack's own record is gone. */
function stays(domain: string, { mx, published, held, changeNow }: LeavingFacts): Finding[] {
  if (mxRecordsOf(domain, published).length > 0) return [];
  const values = mxRecordsOf(domain, held).flatMap((record) => record.values);
  if (!values.some((value) => mxHost(value, domain) === mx)) return [];
  return [
    {
      severity: changeNow ? "warning" : "error",
      rule: RULE,
      record: mxOf(domain),
      message: "the zone names the host by a record that isn't the stack's: it would stay",
      remedy: `Take the value that names ${mx} out of the zone by hand, then run this update.`,
    },
  ];
}
