/** Judges what the world's name servers say beside what the stack wants. Pure. */
import { canonical } from "@pulumi/gandi/rdata.ts";
import type { Finding } from "../../stacks/dns/findings.ts";
import { mxHost } from "../../stacks/dns/move.ts";
import { type ZoneRecord, zoneLines } from "../../stacks/zone-file.ts";
import { recordFault } from "./record-fault.ts";
import type { Fault } from "./texts.ts";
import { type Answer, type Check, type Expectation, fullName, type Wanted } from "./types.ts";

/** Findings about a record set, at most one: what is told first is to be put right first. */
export function checkRecord(wanted: Wanted, answers: readonly Answer[], expected: Expectation): Check {
  const about = `${wanted.type} ${fullName(wanted)}`;
  const check = (...findings: Finding[]): Check => ({ area: "Records", about, findings });
  const known = answers.filter(({ values }) => values !== undefined);
  const authorities = known.filter(({ kind }) => kind === "authority");
  const resolvers = known.filter(({ kind }) => kind === "resolver");
  const judged = authorities.length > 0 ? authorities : resolvers;
  if (judged.length === 0) return { ...check(), unknown: "no server could be asked" };
  const finding =
    atAll(wanted, judged, expected) ??
    otherKey(wanted, expected) ??
    (judged === authorities ? inCaches(wanted, answers, expected) : undefined) ??
    livesLong(wanted, authorities) ??
    unsecured(wanted, answers, expected);
  return check(...(finding ? [finding] : []));
}

/** How to put right what is there, or isn't. */
function remedyOf({ remedy }: Fault, wanted: ZoneRecord, { provider }: Expectation): string {
  if (provider !== "none") return remedyWithStack(remedy);
  return remedy ?? `Have the zone say: ${zoneLines([wanted]).join("; ").replaceAll("\t", " ")}`;
}

const remedyWithStack = (remedy = ""): string =>
  [remedy, "`npm run up -- --refresh` puts right what was changed behind the stack's back."]
    .filter(Boolean)
    .join(" ");

type Judged = readonly { readonly answer: Answer; readonly fault: Fault | undefined }[];

/** The same fault at every server, or servers that disagree. */
function atAll(wanted: Wanted, answers: readonly Answer[], expected: Expectation): Finding | undefined {
  const judged: Judged = answers.map((answer) => ({ answer, fault: recordFault(wanted, answer, expected) }));
  const wrong = judged.filter(({ fault }) => fault !== undefined);
  const fault = wrong[0]?.fault;
  if (fault === undefined) return undefined;
  const record = `${fullName(wanted)} ${wanted.type}`;
  if (wrong.length === judged.length) {
    const { rule, message } = fault;
    return { severity: "error", rule, record, message, remedy: remedyOf(fault, wanted, expected) };
  }
  const where = wrong.map(({ answer }) => answer.source).join(", ");
  return {
    severity: "error",
    rule: "name servers agree, RFC 1034 section 4.3.5",
    record,
    message: `${where} is not like the others: ${fault.message}`,
    remedy: "It takes a change over within minutes; if this stays, tell whoever runs that name server.",
  };
}

/** What is published as planned, but isn't the public half of what signs. */
function otherKey(wanted: Wanted, expected: Expectation): Finding | undefined {
  const key = keyOf(wanted, expected);
  if (key === undefined || wanted.values.some((value) => value.includes(key))) return undefined;
  return {
    severity: "error",
    rule: "DKIM key, RFC 6376 section 3.6.1",
    record: `${fullName(wanted)} ${wanted.type}`,
    message: "what the stack publishes is not the key that smtp-out signs with",
    remedy: "Run `npm run up` again: it publishes the key, and has smtp-out sign with it once it is seen.",
  };
}

function keyOf({ zone, name }: Wanted, { signing }: Expectation): string | undefined {
  return signing.find(({ domain, selector }) => domain === zone && name === `${selector}._domainkey`)
    ?.publicKey;
}

/** What resolvers remember, where the name servers are right. */
function inCaches(wanted: Wanted, answers: readonly Answer[], expected: Expectation): Finding | undefined {
  const record = `${fullName(wanted)} ${wanted.type}`;
  for (const answer of answers.filter(({ kind }) => kind === "resolver")) {
    const fault = answer.values && recordFault(wanted, answer, expected);
    if (fault === undefined) continue;
    return {
      severity: "warning",
      rule: fault.rule,
      record,
      message: `the name servers are right, but ${answer.source} still has the old: ${fault.message}`,
      remedy:
        answer.ttl === undefined
          ? // RFC 2308 section 5: it is the zone that says for how long, not the record.
            "It forgets that there was none in the time that the zone's SOA record ends with; nothing is to be done."
          : `It forgets it within ${answer.ttl} s; nothing is to be done.`,
    };
  }
  return undefined;
}

function livesLong(wanted: Wanted, answers: readonly Answer[]): Finding | undefined {
  const longest = Math.max(...answers.map(({ ttl = 0 }) => ttl));
  if (!(longest > wanted.ttl)) return undefined;
  return {
    severity: "warning",
    rule: "time to live, RFC 1034 section 3.6",
    record: `${fullName(wanted)} ${wanted.type}`,
    message: `its TTL is ${longest} s where the stack has ${wanted.ttl} s: a change is seen that much later`,
    remedy: `Set its TTL to ${wanted.ttl}.`,
  };
}

/** RFC 7672 section 2.2: a TLSA record that DNSSEC doesn't vouch for is none. */
function unsecured(
  wanted: Wanted,
  answers: readonly Answer[],
  { provider }: Expectation,
): Finding | undefined {
  const asked = answers.filter(({ kind, values }) => kind === "resolver" && values !== undefined);
  if (wanted.type !== "TLSA" || provider === "dev" || asked.length === 0) return undefined;
  if (asked.some(({ secure }) => secure)) return undefined;
  return {
    severity: "error",
    rule: "DANE needs DNSSEC, RFC 7672 section 2.2",
    record: `${fullName(wanted)} ${wanted.type}`,
    message: "no resolver vouches for it: the zone is not signed, or its DS record is not at the registry",
    remedy: "Switch DNSSEC on at the registrar, or set semail:dns.signed to false.",
  };
}

/** Whether mail for a domain that is given up still comes to the host. `answers`: to MX of the domain. */
export function checkLeft(domain: string, host: string, answers: readonly Answer[]): Check {
  const names = (value: string) => mxHost(value, domain) === host;
  const told = answers.some(({ kind, values = [] }) => kind === "authority" && values.some(names));
  const known = answers.some((answer) => answer.values !== undefined);
  return {
    area: "Records",
    about: `no MX ${domain}`,
    ...(known ? {} : { unknown: "no server could be asked" }),
    findings: told
      ? [
          {
            severity: "error",
            rule: "no mail for a domain that leaves",
            record: `${domain} MX`,
            message: `it still names ${host}, and the domain is in semail:leaving`,
            remedy: "Remove that value; the domain's mail is to be taken for as long as others remember it.",
          },
        ]
      : [],
  };
}

/** Addresses that a host has beside those that the stack knows. `answers`: to AAAA of hosts that shall have none. */
export function checkStray(host: string, answers: readonly Answer[]): Check {
  const found = answers.find(({ kind, values = [] }) => kind === "authority" && values.length > 0);
  const values = (found?.values ?? []).map((value) => canonical(value, "AAAA", ""));
  const known = answers.some((answer) => answer.values !== undefined);
  return {
    area: "Records",
    about: `no AAAA ${host}`,
    ...(known ? {} : { unknown: "no server could be asked" }),
    findings:
      values.length === 0
        ? []
        : [
            {
              severity: "error",
              rule: "address of the host, RFC 5321 section 5.1",
              record: `${host} AAAA`,
              message: `it points to ${values.join(", ")}, which the stack knows nothing of and others try first`,
              remedy: "Remove it, or set semail:host.address6 to it if it is this host's.",
            },
          ],
  };
}
