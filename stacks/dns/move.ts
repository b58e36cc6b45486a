/**
 * Records that change are remembered for their TTL by whoever asked before. A host therefore moves in two updates: one
 * that lowers the TTL, and, when the old TTL is over, one that changes the addresses. Pure.
 */
import { canonical } from "@pulumi/gandi/rdata.ts";
import { z } from "zod";
import type { RecordSpec } from "../records.ts";
import type { Finding } from "./findings.ts";
import type { HeldRecord } from "./held.ts";

/** Seconds: what changes should be forgotten as soon. */
export const LONG_TTL = 3_600;
/** What lookers-up of a moving host may remember, in seconds: the shortest that LiveDNS takes. */
const SHORT_TTL = 300;

/** The stack output `dns`: what the next update knows of this one. */
export const DnsState = z.object({
  /** Of the records, in seconds. */
  ttl: z.int().min(1),
  /** Until when somebody may remember a record for longer than `ttl`, ISO 8601. */
  rememberedUntil: z.iso.datetime().optional(),
  /** Where mail goes and the hosts are: the values of each name and type. */
  hosts: z.record(z.string(), z.array(z.string())),
  /** Until when somebody may remember the MX record of a domain that is given up, ISO 8601. */
  left: z.record(z.string(), z.iso.datetime()).optional(),
});
export type DnsState = z.infer<typeof DnsState>;

type Whereabouts = Pick<HeldRecord, "type" | "ttl">;

export interface MoveFacts {
  readonly records: readonly RecordSpec[];
  readonly ttl: number;
  /** Of the last update that came to its end. */
  readonly prior: DnsState | undefined;
  /** What the stack has in the zones, also by an update that didn't come to its end. */
  readonly published: readonly Whereabouts[];
  /** Whether a change that others don't hear of in time is wanted all the same. */
  readonly changeNow: boolean;
  readonly now: Date;
}

export interface MovePlan {
  readonly findings: readonly Finding[];
  /** What is told, and is no fault. */
  readonly notes: readonly string[];
  readonly state: DnsState;
}

/** `name type` of a record, as findings have it. */
export const labelOf = ({ zone, name, type }: { zone: string; name: string; type: string }): string =>
  `${name === "@" ? zone : `${name}.${zone}`} ${type}`;

/** The host that a value of an MX record names (RFC 1035 section 3.3.9). `zone`: what a relative name is below. */
export const mxHost = (value: string, zone: string): string =>
  (canonical(value, "MX", zone).split(" ")[1] ?? "").replace(/\.$/, "");

/** What the update does to those who remember, and what the next one has to know. */
export function planMove({ records, ttl, changeNow, now, ...before }: MoveFacts): MovePlan {
  const hosts = hostsOf(records);
  const prior = before.prior && remembered(before.prior, before.published);
  const until = rememberedUntil(ttl, prior, now);
  const state = { ttl, hosts, ...(until === undefined ? {} : { rememberedUntil: until }) };
  if (prior === undefined) return { findings: [], notes: [], state };
  const renamed = vanished(prior, hosts);
  if (renamed.length > 0) return { findings: [renaming(renamed, prior, changeNow)], notes: [], state };
  const moved = Object.keys(hosts).filter(
    (label) => prior.hosts[label] !== undefined && prior.hosts[label].join() !== hosts[label]?.join(),
  );
  if (moved.length === 0) return { findings: [], notes: lowered(prior, state, now), state };
  const message = tooEarly(prior, now);
  if (message === undefined) return { findings: [], notes: [moves(moved, prior, now)], state };
  const finding: Finding = {
    severity: changeNow ? "warning" : "error",
    rule: "short TTL before a change",
    record: moved.join(", "),
    message: message.fault,
    remedy: changeNow ? "Leave the services reachable at the old address for as long." : message.remedy,
  };
  return { findings: [finding], notes: [], state };
}

const isWhereabouts = ({ type }: Pick<HeldRecord, "type">): boolean => ["A", "AAAA", "MX"].includes(type);

/** An update that raised the TTL and was killed told the next one nothing, but others may have asked since. */
function remembered(prior: DnsState, published: readonly Whereabouts[]): DnsState {
  const ttls = published.filter(isWhereabouts).map(({ ttl }) => ttl);
  return { ...prior, ttl: Math.max(prior.ttl, ...ttls) };
}

/** Sorted, so that another order is no move. */
function hostsOf(records: readonly RecordSpec[]): Record<string, string[]> {
  const whereabouts = records.filter(isWhereabouts);
  return Object.fromEntries(whereabouts.map((record) => [labelOf(record), [...record.values].sort()]));
}

/** Hosts that MX records named, and that would have no address any more. */
function vanished(prior: DnsState, hosts: DnsState["hosts"]): string[] {
  const named = Object.entries(prior.hosts).flatMap(([label, values]) =>
    label.endsWith(" MX") ? values.map((value) => `${mxHost(value, "")} A`) : [],
  );
  return [...new Set(named)].filter(
    (label) => prior.hosts[label] !== undefined && hosts[label] === undefined,
  );
}

const renaming = (labels: readonly string[], { ttl }: DnsState, changeNow: boolean): Finding => ({
  severity: changeNow ? "warning" : "error",
  rule: "a host keeps its name",
  record: labels.join(", "),
  message: `it goes, since semail:domain is another one: others remember MX records that name it for up to ${ttl} s, and find no address`,
  remedy: changeNow
    ? "Who sends mail meanwhile gets it back."
    : "Leave semail:domain as it was and name the other one in semail:domains; a host of another name is a stack of its own. Where no mail is expected, semail:dns.changeNow: true does it at once.",
});

const after = (now: Date, seconds: number): string => new Date(now.getTime() + seconds * 1_000).toISOString();

function rememberedUntil(ttl: number, prior: DnsState | undefined, now: Date): string | undefined {
  const earlier = prior?.rememberedUntil;
  if (prior !== undefined && ttl < prior.ttl) return [after(now, prior.ttl), earlier ?? ""].toSorted().at(-1);
  return earlier !== undefined && Date.parse(earlier) > now.getTime() ? earlier : undefined;
}

/** Why hosts can't move yet, and what to do. */
function tooEarly(prior: DnsState, now: Date): { fault: string; remedy: string } | undefined {
  const hurry = "Where nobody answers at the old address any more, semail:dns.changeNow: true moves at once.";
  if (prior.ttl > LONG_TTL)
    return {
      fault: `others remember the old addresses for up to ${prior.ttl} s after the change`,
      remedy:
        `Move in two updates: first one with the addresses as they were and semail:dns.ttl: ${SHORT_TTL}; then this ` +
        `one, ${prior.ttl} s later (from ${after(now, prior.ttl)} on, if the first were run now). ${hurry}`,
    };
  if (prior.rememberedUntil === undefined || Date.parse(prior.rememberedUntil) <= now.getTime())
    return undefined;
  return {
    fault: `others remember the old addresses until ${prior.rememberedUntil}, since before the TTL was lowered`,
    remedy: `Run this update after that, then they follow within ${prior.ttl} s. ${hurry}`,
  };
}

function lowered(prior: DnsState, state: DnsState, now: Date): string[] {
  const { rememberedUntil: until, ttl, hosts } = state;
  if (until === undefined || Date.parse(until) <= now.getTime()) return [];
  const what = ttl < prior.ttl ? `the TTL goes from ${prior.ttl} to ${ttl} s` : "the TTL was lowered";
  const which = Object.keys(hosts).join(", ");
  return [`${what}: from ${until} on a change of host.address or host.address6 is safe (${which})`];
}

const moves = (moved: readonly string[], { ttl }: DnsState, now: Date): string =>
  `${moved.join(", ")} move: others follow within ${ttl} s. Leave the services reachable at the old address until ` +
  `${after(now, ttl)}, then raise semail:dns.ttl again`;
