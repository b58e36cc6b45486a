/** Checks of a record beside what its zone holds already, of the stack's own and of others. Pure. */
import { canonical, sameValues } from "@pulumi/gandi/rdata.ts";
import { toText } from "@pulumi/gandi/txt.ts";
import type { RecordSpec } from "../records.ts";
import type { Finding } from "./findings.ts";
import { LONG_TTL, labelOf } from "./move.ts";
import { isSpf, missingTerms } from "./spf.ts";

/** A record set of a zone, its values as in a zone file. */
export type HeldRecord = Omit<RecordSpec, "type"> & {
  readonly type: string;
  /** Of the stack's own: what the program asked for, where a refresh put what the zone has in the place of `values`. */
  readonly declared?: readonly string[] | undefined;
};

export interface HeldFacts {
  /** What the zones hold now; nothing where it could not be asked. */
  readonly held: HeldIndex;
  /** What is there of the stack's own. */
  readonly published: HeldIndex;
  readonly adoptExisting: boolean;
  /** Whether the update compares with the zone first, and so replaces also what others changed there. */
  readonly refreshes?: boolean | undefined;
  /** Whether a change that others don't hear of in time is wanted all the same. */
  readonly changeNow: boolean;
  readonly spf: { readonly mode: "refuse" | "merge"; readonly terms: readonly string[] };
}

/** A record whose values may be known only later. */
export type Place = Pick<HeldRecord, "zone" | "name" | "type">;

export const hostOf = ({ zone, name }: Omit<Place, "type">): string =>
  name === "@" ? zone : `${name}.${zone}`;

/** Records by where they are: of a hundred zones with a hundred records each, nobody looks through all for each record. */
export interface HeldIndex {
  /** Those of a name, of whatever zone. */
  at(place: Omit<Place, "type">): readonly HeldRecord[];
  /** What a zone holds in the very place of a record. */
  same(place: Place): HeldRecord | undefined;
  /** Those of a zone by which it gives names away. */
  givers(zone: string): readonly HeldRecord[];
}

export function indexHeld(held: readonly HeldRecord[]): HeldIndex {
  const hosts = Map.groupBy(held, hostOf);
  const givers = Map.groupBy(
    held.filter(({ name, type }) => type === "DNAME" || (type === "NS" && name !== "@")),
    ({ zone }) => zone,
  );
  const at: HeldIndex["at"] = (place) => hosts.get(hostOf(place)) ?? [];
  return {
    at,
    same: (place) => at(place).find(({ type }) => type === place.type),
    givers: (zone) => givers.get(zone) ?? [],
  };
}

export const textsOf = ({ type, values }: HeldRecord): string[] => (type === "TXT" ? values.map(toText) : []);

/** What a zone holds at a record's name, above it, and in its place. */
export function checkHeld(record: HeldRecord, facts: HeldFacts): Finding[] {
  const existing = facts.held.same(record);
  return [
    ...checkPlace(record, facts.held),
    ...(existing === undefined
      ? []
      : [...checkOthers(record, existing, facts), ...checkTtl(record, existing, facts)]),
  ];
}

/** Whether a record of that name can be there at all. */
function checkPlace(record: Place, held: HeldIndex): Finding[] {
  return [...checkCname(record, held), ...checkAbove(record, held)];
}

/** The same of a record whose values aren't known yet. */
export function checkPending(record: Place, facts: HeldFacts): Finding[] {
  const existing = facts.held.same(record);
  const isOwn = facts.published.same(record) !== undefined;
  return [
    ...checkPlace(record, facts.held),
    ...(existing === undefined || isOwn
      ? []
      : [presentFinding(existing, facts.adoptExisting ? OVERWRITTEN : UNOWNED)]),
  ];
}

function checkCname(record: Place, held: HeldIndex): Finding[] {
  const cname = held.same({ ...record, type: "CNAME" });
  if (cname === undefined) return [];
  return [
    {
      severity: "error",
      rule: "a CNAME stands alone, RFC 1034 section 3.6.2",
      record: labelOf(record),
      message: `the zone has a CNAME of this name, to ${cname.values.join(", ")}`,
      remedy: `Remove the CNAME ${hostOf(cname)} from the zone.`,
    },
  ];
}

/** Names that the zone gives away: NS at the name or above it (RFC 1034 section 4.2.1), DNAME above it (RFC 6672). */
function checkAbove(record: Place, held: HeldIndex): Finding[] {
  const host = hostOf(record);
  const given = held
    .givers(record.zone)
    .find((other) => isAtOrBelow(host, hostOf(other)) && (other.type === "NS" || host !== hostOf(other)));
  if (given === undefined) return [];
  return [
    {
      severity: "error",
      rule: "a name is in its zone, RFC 1034 section 4.2.1",
      record: labelOf(record),
      message: `the zone gives ${hostOf(given)} to ${given.values.join(", ")} (${given.type}), where this record is not seen`,
      remedy: `Remove the ${given.type} record ${hostOf(given)} from the zone.`,
    },
  ];
}

const isAtOrBelow = (host: string, above: string): boolean => host === above || host.endsWith(`.${above}`);

/** Values in the record's place that somebody else entered. */
function checkOthers(record: HeldRecord, existing: HeldRecord, facts: HeldFacts): Finding[] {
  if (record.name === "@" && record.type === "TXT") return checkDomainTexts(record, existing, facts);
  const { adoptExisting, published } = facts;
  const { type, zone } = record;
  const before = published.same(record);
  if (before === undefined) {
    if (!sameValues(existing.values, record.values, type, zone))
      return [othersFinding(record, existing, adoptExisting ? ADOPTED : REFUSED)];
    return adoptExisting ? [] : [presentFinding(existing, UNOWNED)];
  }
  // Pulumi writes what changes in the program, and compares with the zone only when told to.
  const isWritten =
    facts.refreshes || before.ttl !== record.ttl || !sameValues(before.values, record.values, type, zone);
  const known = [...(before.declared ?? before.values), ...record.values];
  const foreign = existing.values.filter((value) => !has(known, value, record));
  if (!isWritten || foreign.length === 0) return [];
  return [
    othersFinding(record, existing, {
      ...ADOPTED,
      message: "somebody changed it in the zone, and this update replaces that:",
    }),
  ];
}

type Verdict = Pick<Finding, "severity" | "message" | "remedy">;

const REFUSED: Verdict = {
  severity: "error",
  message: "the zone has other values, which this would replace:",
  remedy: "Remove it from the zone, or set semail:dns.adoptExisting: true for this update.",
};
const ADOPTED: Verdict = {
  severity: "warning",
  message: "the zone has other values, which this update replaces:",
  remedy: "What is to stay belongs into the stack file. LiveDNS keeps a snapshot of the zone as it was.",
};

/** LiveDNS would refuse it in the middle of the update. */
const UNOWNED: Verdict = {
  severity: "error",
  message: "the zone has it already, and not from this stack:",
  remedy:
    "Remove it from the zone, or set semail:dns.adoptExisting: true for this update: then it is the stack's, and goes with it.",
};
const OVERWRITTEN: Verdict = {
  ...ADOPTED,
  message: "the zone has it already, and this update replaces what isn't the same:",
};

const has = (values: readonly string[], value: string, { type, zone }: HeldRecord): boolean =>
  values.some((other) => canonical(other, type, zone) === canonical(value, type, zone));

function othersFinding(record: HeldRecord, existing: HeldRecord, verdict: Verdict): Finding {
  return listing(record, verdict, [
    ...existing.values.map((value) => `- ${textOf(existing, value)}`),
    ...record.values.map((value) => `+ ${textOf(record, value)}`),
  ]);
}

const presentFinding = (existing: HeldRecord, verdict: Verdict): Finding =>
  listing(
    existing,
    verdict,
    existing.values.map((value) => textOf(existing, value)),
  );

const textOf = ({ type }: HeldRecord, value: string): string => (type === "TXT" ? toText(value) : value);

function listing(record: HeldRecord, { message, ...rest }: Verdict, lines: readonly string[]): Finding {
  return {
    ...rest,
    rule: "what others entered stays",
    record: labelOf(record),
    message: [message, ...lines].join("\n        "),
  };
}

/** Several services put texts of their own at the domain, SPF among them. */
function checkDomainTexts(record: HeldRecord, existing: HeldRecord, facts: HeldFacts): Finding[] {
  const texts = textsOf(existing);
  const found = checkSpfCount(existing);
  if (facts.spf.mode === "merge") return found;
  const foreign = texts.filter(isSpf).filter((text) => missingTerms(text, facts.spf.terms).length > 0);
  const others = texts.filter((text) => !isSpf(text));
  if (foreign.length + others.length === 0) {
    const isOwn = facts.adoptExisting || facts.published.same(record) !== undefined;
    return isOwn ? found : [...found, presentFinding(existing, UNOWNED)];
  }
  return [
    ...found,
    othersFinding(record, existing, {
      ...(facts.adoptExisting ? ADOPTED : REFUSED),
      remedy: "Set semail:dns.spf to merge: it keeps them, and adds our host to the SPF record.",
    }),
  ];
}

/** At a name there is one SPF record, or none counts. */
export function checkSpfCount(record: HeldRecord): Finding[] {
  const count = textsOf(record).filter(isSpf).length;
  if (count < 2) return [];
  return [
    {
      severity: "error",
      rule: "one SPF record, RFC 7208 section 4.5",
      record: labelOf(record),
      message: `there are ${count} SPF records, so that receivers take none`,
      remedy: "Make one of them: all terms behind one v=spf1, with one `all` at the end.",
    },
  ];
}

/** What somebody else published, and the stack takes over. What it published itself is for `move.ts`. */
function checkTtl(record: HeldRecord, existing: HeldRecord, { published, changeNow }: HeldFacts): Finding[] {
  const { type, zone } = record;
  const moves = ["A", "AAAA", "MX"].includes(type) && published.same(record) === undefined;
  const differs = !sameValues(record.values, existing.values, type, zone);
  if (!moves || !differs || existing.ttl <= LONG_TTL) return [];
  return [
    {
      severity: changeNow ? "warning" : "error",
      rule: "short TTL before a change",
      record: labelOf(record),
      message: `it changes, and others remember the old one for up to ${existing.ttl} s`,
      remedy:
        `Set its TTL to 300 in the zone, and run this ${existing.ttl} s later. Where nobody answers at the old one any ` +
        "more, or it was never in use, semail:dns.changeNow: true changes it at once.",
    },
  ];
}
