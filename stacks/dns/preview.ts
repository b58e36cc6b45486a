/** Looks at the records before anything is changed: what they will be, beside what the zones hold. */
import { sameValues } from "@pulumi/gandi/rdata.ts";
import { toText } from "@pulumi/gandi/txt.ts";
import { selectorOf } from "../dkim/rotation.ts";
import type { MailModel } from "../model.ts";
import { dkimRecord, type RecordSpec, spfTerms, tlsaRecord } from "../records.ts";
import {
  checkReports,
  checkSpfCost,
  checkZone,
  consentName,
  reportsAbroad,
  type ZoneFacts,
} from "./checks.ts";
import type { Finding } from "./findings.ts";
import type { HeldRecord, Place } from "./held.ts";
import type { askResolver } from "./look.ts";
import { labelOf } from "./move.ts";
import { isSpf, mergeSpf, spfCost } from "./spf.ts";

type Resolver = ReturnType<typeof askResolver>;

/** The records with what the zones hold merged into them, where the config says so. Pure. */
export function mergeHeld(model: MailModel, held: readonly HeldRecord[]): RecordSpec[] {
  if (model.dns.spf !== "merge") return [...model.records];
  return model.records.map((record) => {
    const there = held.find(
      ({ zone, name, type }) => zone === record.zone && name === record.name && type === record.type,
    );
    if (record.name !== "@" || record.type !== "TXT" || there === undefined) return record;
    const texts = there.values.map(toText);
    const merged = texts.map((text) => (isSpf(text) ? mergeSpf(text, spfTerms(model)) : text));
    const values = texts.some(isSpf) ? merged : [...merged, ...record.values];
    // Pulumi leaves it in the zone when the stack goes: it isn't the stack's alone.
    return { ...record, values, shared: true };
  });
}

/** What tells where mail goes; keys come and go by themselves. */
const WHEREABOUTS: ReadonlySet<string> = new Set(["A", "AAAA", "MX"]);

/**
 * The records as the last update published them, when this one changes none; undefined when it does. What others have
 * among them is what it was then. Pure.
 */
export function unchangedRecords(
  model: MailModel,
  published: readonly HeldRecord[],
): RecordSpec[] | undefined {
  const records = model.records.map((record) => {
    const before = published.find(
      ({ zone, name, type }) => labelOf({ zone, name, type }) === labelOf(record),
    );
    if (before === undefined || before.ttl !== record.ttl) return undefined;
    if (before.shared) return { ...record, values: before.values, shared: true };
    return sameValues(before.values, record.values, record.type, record.zone) ? record : undefined;
  });
  const known = records.filter((record) => record !== undefined);
  const stays = new Set(model.records.map(labelOf));
  const goes = published.some((record) => WHEREABOUTS.has(record.type) && !stays.has(labelOf(record)));
  return known.length === records.length && !goes ? known : undefined;
}

/** Where the records go that come from keys: DKIM's and, in a signed zone, TLSA. */
function pendingPlaces({ dkim, dns, domain, domains, hostnames }: MailModel): Place[] {
  const kinds = dkim.ed25519 ? (["rsa", "ed25519"] as const) : (["rsa"] as const);
  const keys = domains.flatMap((zone) =>
    kinds.map((kind) => dkimRecord(zone, selectorOf(dkim.rotate, kind), "", dns.ttl)),
  );
  return [...keys, ...(dns.signed ? [tlsaRecord({ domain, mx: hostnames.mx, ttl: dns.ttl })] : [])];
}

/** What a model's records are looked at beside. */
export interface Surroundings extends Pick<ZoneFacts, "published" | "refreshes"> {
  /** Undefined where nobody can be asked. */
  readonly resolver: Resolver | undefined;
}

/** Everything wrong with the records of a model. `held` is undefined where the zones could not be asked. */
export async function findFaults(
  model: MailModel,
  held: readonly HeldRecord[] | undefined,
  { resolver, published, refreshes }: Surroundings,
): Promise<Finding[]> {
  const pure = checkZone({
    wanted: model.records,
    pending: pendingPlaces(model),
    held,
    adoptExisting: model.dns.adoptExisting,
    spf: { mode: model.dns.spf, terms: spfTerms(model) },
    stsHosts: model.dns.mtaSts && [model.hostnames.mx],
    changeNow: model.dns.changeNow,
    published,
    refreshes,
  });
  if (resolver === undefined) return pure;
  const asked = await Promise.all(model.records.map((record) => askAbout(record, model, resolver)));
  const delegation = await checkDelegation(model, resolver);
  return [...pure, ...asked.flat(), ...delegation, ...(await checkPtr(model, resolver))];
}

async function askAbout(record: RecordSpec, model: MailModel, { ask }: Resolver): Promise<Finding[]> {
  const own = new Map(
    model.records.map(({ zone, name, type, values }) => [
      `${name === "@" ? "" : `${name}.`}${zone} ${type}`,
      values,
    ]),
  );
  // Names that this very update makes are there as soon as it matters.
  const askBoth: typeof ask = async (name, type) => own.get(`${name} ${type}`) ?? ask(name, type);
  const findings: Finding[] = [];
  const spf = record.type === "TXT" ? record.values.find(isSpf) : undefined;
  if (spf !== undefined) {
    const domain = record.name === "@" ? record.zone : `${record.name}.${record.zone}`;
    findings.push(...checkSpfCost(record, await spfCost(spf, domain, askBoth)));
  }
  const consents = new Set<string>();
  for (const domain of reportsAbroad(record, model.domains)) {
    const texts = await ask(consentName(record.zone, domain), "TXT");
    if (texts === undefined) return [...findings, ...checkReports(record, model.domains, undefined)];
    if (texts.some((text) => /^v=DMARC1\b/.test(text))) consents.add(domain);
  }
  return [...findings, ...checkReports(record, model.domains, consents)];
}

/** Many refuse mail from an address whose name isn't that of the greeting (RFC 1912 section 2.1). */
async function checkPtr({ host, hostnames }: MailModel, { reverse }: Resolver): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const address of [host.address, host.address6].filter((each) => each !== undefined)) {
    const names = await reverse(address);
    if (names?.some((name) => name.toLowerCase() === hostnames.smtp)) continue;
    const found = names === undefined ? "could not be asked for" : names.join(", ") || "is missing";
    findings.push({
      severity: "warning",
      rule: "PTR of the sending host, RFC 1912 section 2.1",
      record: `${address} PTR`,
      message: `it ${names?.length ? `names ${found}` : found}; it should name ${hostnames.smtp}`,
      remedy: `Have whoever gives you the address set its PTR record to ${hostnames.smtp}.`,
    });
  }
  return findings;
}

/** Under these are Gandi's name servers. */
const LIVEDNS = ".gandi.net";

/** Records that are written to LiveDNS are seen by nobody as long as the registry names other servers. */
async function checkDelegation({ dns, domains }: MailModel, { servers }: Resolver): Promise<Finding[]> {
  if (dns.provider !== "gandi" || !new URL(dns.apiUrl).hostname.endsWith(LIVEDNS)) return [];
  const findings: Finding[] = [];
  for (const domain of domains) {
    const found = await servers(domain);
    if (
      found === undefined ||
      (found.length > 0 && found.every((host) => host.toLowerCase().endsWith(LIVEDNS)))
    )
      continue;
    findings.push({
      severity: "warning",
      rule: "LiveDNS serves the zone",
      record: `${domain} NS`,
      message: found.length === 0 ? "no name server is known for it" : `it is served by ${found.join(", ")}`,
      remedy:
        "In Gandi's pages: Domain → Nameservers → LiveDNS; or have its registrar name LiveDNS's servers. Until then the records are seen by nobody.",
    });
  }
  return findings;
}
