/**
 * A domain is given up in two updates: one takes its MX record out of the zone (RFC 5321 section 5.1 has senders ask for it
 * first) while its mail is still taken, and, when nobody remembers the record any more, one takes the domain out. Pure.
 */
import type { RecordSpec } from "../records.ts";
import type { Finding } from "./findings.ts";
import { type DnsState, labelOf } from "./move.ts";

export interface LeavingFacts {
  /** Every domain whose mail is ours. */
  readonly domains: readonly string[];
  /** Those of them that are given up. */
  readonly leaving: readonly string[];
  readonly prior: DnsState | undefined;
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

const mxOf = (zone: string): string => labelOf({ zone, name: "@", type: "MX" } satisfies Partial<RecordSpec>);

/** What the update does to those who remember where a domain's mail went. */
export function planLeaving({ domains, leaving, prior, changeNow, now }: LeavingFacts): LeavingPlan {
  if (prior === undefined) return { findings: [], notes: [], left: {} };
  const left = Object.fromEntries(
    leaving.flatMap((domain) => {
      const until = prior.left?.[domain] ?? (prior.hosts[mxOf(domain)] && forgotten(prior, now));
      return until === undefined ? [] : [[domain, until]];
    }),
  );
  return {
    left,
    notes: Object.entries(left).map(([domain, until]) => tell(domain, until, now)),
    findings: gone(prior, domains, now).map(({ domain, fault, remedy }) => ({
      severity: changeNow ? "warning" : "error",
      rule: "no mail for a domain that leaves",
      record: mxOf(domain),
      message: `the domain leaves the stack, which refuses its mail from this update on: ${fault}`,
      remedy: changeNow ? "Who sends to it meanwhile gets the mail back." : remedy,
    })),
  };
}

interface Gone {
  readonly domain: string;
  readonly fault: string;
  readonly remedy: string;
}

/** Domains that are served no more, and to which others may still send. */
function gone(prior: DnsState, domains: readonly string[], now: Date): Gone[] {
  const hurry = "Where no mail is expected, semail:dns.changeNow: true takes it out at once.";
  const told = Object.keys(prior.hosts).flatMap((label) =>
    label.endsWith(" MX") ? [label.slice(0, -3)] : [],
  );
  const served = (domain: string): boolean => domains.includes(domain);
  const sudden = told
    .filter((domain) => !served(domain))
    .map((domain) => ({
      domain,
      fault: `its MX record is there, and others remember it for up to ${prior.ttl} s after`,
      remedy: `First one update with it in semail:domains and in semail:leaving, which takes the record out; it says from when on this one is safe. ${hurry}`,
    }));
  const early = Object.entries(prior.left ?? {})
    .filter(([domain, until]) => !served(domain) && Date.parse(until) > now.getTime())
    .map(([domain, until]) => ({
      domain,
      fault: `others remember its MX record until ${until}`,
      remedy: `Run this update after that. ${hurry}`,
    }));
  return [...sudden, ...early];
}

/** By when nobody remembers what this update removes. */
function forgotten({ ttl, rememberedUntil = "" }: DnsState, now: Date): string {
  const after = new Date(now.getTime() + ttl * 1_000).toISOString();
  return rememberedUntil > after ? rememberedUntil : after;
}

function tell(domain: string, until: string, now: Date): string {
  const out = "take it out of semail:domains and semail:leaving";
  return Date.parse(until) > now.getTime()
    ? `${domain} leaves: its MX record goes, its mail is still taken. Others forget the record until ${until}: after that ${out}`
    : `${domain} leaves: nobody remembers its MX record any more. Now ${out}`;
}
