/** Zones and record sets as Knot writes them. Pure. */

/** A record set; values in DNS presentation format, names in them absolute. */
export interface Rrset {
  /** Relative to the zone, `@` for the zone itself. */
  name: string;
  type: string;
  ttl: number;
  values: string[];
}

/** LiveDNS's default TTL. */
export const DEFAULT_TTL = 10_800;
/** How long resolvers may remember that a name is absent: short, because names appear while people watch. */
const NEGATIVE_TTL = 60;

const label = "(?!-)[a-z0-9_-]{1,63}(?<!-)";
const ZONE = new RegExp(`^(?=.{1,253}$)${label}(\\.${label})*$`);
const NAME = new RegExp(`^(@|\\*|(\\*\\.)?${label}(\\.${label})*)$`);

/** Whether a text, in lower case and without final dot, can name a zone. It then is a safe file name, too. */
export const isZoneName = (text: string) => ZONE.test(text);

/** The absolute name, with its dot, of a relative one; undefined when it can't be one. */
export function ownerOf(name: string, zone: string): string | undefined {
  if (!NAME.test(name)) return undefined;
  const owner = name === "@" ? `${zone}.` : `${name}.${zone}.`;
  return owner.length <= 254 ? owner : undefined;
}

function nameOf(owner: string, zone: string): string {
  return owner === `${zone}.` ? "@" : owner.slice(0, -`.${zone}.`.length);
}

/** The record sets of `knotc zone-read`: lines of `[zone.] owner ttl type rdata`. */
export function parseRecords(output: string, zone: string): Rrset[] {
  const sets = new Map<string, Rrset>();
  for (const [, owner = "", ttl, type = "", value = ""] of output.matchAll(
    /^\[\S+\] (\S+) (\d+) (\S+) (.*)$/gm,
  )) {
    const key = `${owner} ${type}`;
    const set = sets.get(key) ?? { name: nameOf(owner, zone), type, ttl: Number(ttl), values: [] };
    set.values.push(value);
    sets.set(key, set);
  }
  return [...sets.values()];
}

/** The zone as a zone file, names relative. */
export function toText(sets: readonly Rrset[]): string {
  const first = (set: Rrset) => (set.type === "SOA" ? 0 : 1);
  return [...sets]
    .sort((a, b) => first(a) - first(b))
    .flatMap((set) => set.values.map((value) => `${set.name} ${set.ttl} IN ${set.type} ${value}\n`))
    .join("");
}

/** The type of an address record. */
export const addressType = (address: string) => (address.includes(":") ? "AAAA" : "A");

/** The zone file of a new zone: it is served by ns1 at the given address. */
export function newZone(address: string): string {
  return [
    `@ ${DEFAULT_TTL} IN SOA ns1 hostmaster 1 10800 3600 604800 ${NEGATIVE_TTL}`,
    `@ ${DEFAULT_TTL} IN NS ns1`,
    `ns1 ${DEFAULT_TTL} IN ${addressType(address)} ${address}`,
    "",
  ].join("\n");
}

/** Where Knot keeps and finds things. */
export interface KnotPlace {
  /** Sockets and configuration; gone after a restart. */
  runDir: string;
  /** Zones and journal. */
  dataDir: string;
  /** DNS port, all addresses. */
  port: number;
}

/** knotd's configuration. */
export function knotConf(place: KnotPlace, zones: readonly string[]): string {
  return `server:
    rundir: "${place.runDir}"
    listen: [ "0.0.0.0@${place.port}", "::@${place.port}" ]
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
log:
  - target: stderr
    any: warning
database:
    storage: "${place.dataDir}"
template:
  - id: default
    storage: "${place.dataDir}/zones"
    file: "%s.zone"
    # Every change is in the zone file before it is answered.
    zonefile-sync: 0
    semantic-checks: on
zone:
${zones.map((zone) => `  - domain: "${zone}"\n`).join("")}`;
}
