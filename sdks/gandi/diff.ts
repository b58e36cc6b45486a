/** Validation and comparison of a Record. Pure. */
import { canonical, sameValues, TYPES, valueFault } from "./rdata.ts";

type Props = { [key: string]: unknown };

/** A value that a preview doesn't know yet. */
export const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** What the engine calls a Record. */
export const RECORD_TYPE = "pulumi-nodejs:dynamic/gandi:Record";

/** LiveDNS's bounds and default, in seconds. */
const TTL = { min: 300, max: 2_592_000, default: 10_800 };

const label = "(?!-)[a-z0-9_-]{1,63}(?<!-)";
const ZONE = new RegExp(`^(?=.{1,253}$)${label}(\\.${label})+$`);
const NAME = new RegExp(`^(@|\\*|(\\*\\.)?${label}(\\.${label})*)$`);

/** Inputs after check, all known. */
export interface Inputs {
  zone: string;
  name: string;
  type: string;
  ttl: number;
  values: string[];
  adoptExisting: boolean;
  snapshot: boolean;
  auth: { apiUrl?: string; token?: string };
}

/** How messages call the record. */
export function subjectOf({ zone, name, type }: Props): string {
  const show = (value: unknown) => (value === undefined || value === UNKNOWN ? "?" : String(value));
  return `${show(type)} record ${show(name)} of ${show(zone)}`;
}

/** Lower case, no final dot: names are equal then (RFC 4343), and never "replaced" by another spelling. */
function normalise(news: Props): Props {
  const { __provider: _, ...props } = news;
  const lower = (value: unknown) => (typeof value === "string" ? value.toLowerCase() : value);
  const zone = lower(props.zone);
  return {
    ...props,
    zone: typeof zone === "string" ? zone.replace(/\.$/, "") : zone,
    name: lower(props.name),
    type: typeof props.type === "string" && props.type !== UNKNOWN ? props.type.toUpperCase() : props.type,
    ttl: props.ttl ?? TTL.default,
    adoptExisting: props.adoptExisting ?? false,
    snapshot: props.snapshot ?? true,
    auth: props.auth ?? {},
  };
}

type Fault = (value: unknown, inputs: Props) => string | undefined;

const nameFault: Fault = (name, { zone }) => {
  if (typeof name !== "string" || name === "")
    return 'must be a name relative to the zone, or "@" for the zone itself';
  const suffix = `.${String(zone)}`;
  if (`.${name.replace(/\.$/, "")}`.endsWith(suffix)) {
    const relative = name.replace(/\.$/, "").slice(0, -suffix.length) || "@";
    return `must be relative to the zone: write "${relative}"`;
  }
  // RFC 1035 section 2.3.4: 255 bytes with the lengths of all labels.
  if (name !== "@" && zone !== UNKNOWN && `${name}${suffix}`.length > 253)
    return "is too long: with its zone it may have 253 characters";
  return NAME.test(name) ? undefined : `"${name}" is no name that a zone can hold`;
};

const valuesFault: Fault = (values, { type, zone, name }) => {
  if (!Array.isArray(values) || values.length === 0) return "must be a list with at least one value";
  if (!values.every((value) => typeof value === "string")) return "must be a list of strings";
  if (values.includes(UNKNOWN) || typeof type !== "string" || typeof zone !== "string") return undefined;
  if ([type, zone].includes(UNKNOWN)) return undefined;
  const faults = values.map((value) => valueFault(value, type, zone)).filter((fault) => fault !== undefined);
  if (faults.length > 0) return faults.join("; ");
  if (new Set(values.map((value) => canonical(value, type, zone))).size < values.length)
    return "has a value twice";
  // RFC 1034 section 3.6.2: a CNAME stands alone, so there is one of it, and none beside the zone's SOA and NS.
  if (type === "CNAME" && values.length > 1) return "a CNAME has one value";
  if (type === "CNAME" && name === "@") return "the zone itself can't be a CNAME: use ALIAS, or A and AAAA";
  return undefined;
};

const authFault: Fault = (auth) => {
  if (typeof auth !== "object" || auth === null) return "must be an object with apiUrl and token";
  const faulty = Object.entries(auth).find(([, value]) => value !== undefined && typeof value !== "string");
  return faulty === undefined ? undefined : `${faulty[0]} must be a string`;
};

const flagFault: Fault = (flag) => (typeof flag === "boolean" ? undefined : "must be true or false");

const FAULTS: { [property: string]: Fault } = {
  zone: (zone) =>
    typeof zone === "string" && ZONE.test(zone) ? undefined : 'must be a domain name such as "example.org"',
  name: nameFault,
  type: (type) =>
    typeof type === "string" && TYPES.includes(type)
      ? undefined
      : `LiveDNS has no type ${JSON.stringify(type)}; it has ${TYPES.join(", ")}`,
  ttl: (ttl) =>
    Number.isInteger(ttl) && Number(ttl) >= TTL.min && Number(ttl) <= TTL.max
      ? undefined
      : `must be whole seconds from ${TTL.min} to ${TTL.max}`,
  values: valuesFault,
  adoptExisting: flagFault,
  snapshot: flagFault,
  auth: authFault,
};

/** Normalises and validates inputs. What is not known yet passes. */
export function validate(news: Props): { inputs: Props; failures: { property: string; reason: string }[] } {
  const inputs = normalise(news);
  const failures: { property: string; reason: string }[] = [];
  const fail = (property: string, reason: string) =>
    failures.push({ property, reason: `${subjectOf(inputs)}: ${property} ${reason}` });
  for (const [property, faultOf] of Object.entries(FAULTS)) {
    if (inputs[property] === UNKNOWN) continue;
    const fault = faultOf(inputs[property], inputs);
    if (fault !== undefined) fail(property, fault);
  }
  for (const property of Object.keys(inputs)) {
    if (!Object.hasOwn(FAULTS, property)) fail(property, "is no argument of a record");
  }
  return { inputs, failures };
}

/** Whether LiveDNS has something other than what is wanted. */
export function differs(olds: Props, news: Props): boolean {
  if (olds.ttl !== news.ttl) return true;
  if (!Array.isArray(olds.values) || !Array.isArray(news.values)) return true;
  return !sameValues(olds.values, news.values, String(news.type), String(news.zone));
}

/**
 * Only ttl and values can be changed in place. New credentials change nothing at LiveDNS but are recorded, for it is
 * the recorded ones that a refresh or a deletion has.
 */
export function compare(olds: Props, news: Props) {
  const replaces = ["zone", "name", "type"].filter((property) => olds[property] !== news[property]);
  const changes =
    replaces.length > 0 ||
    differs(olds, news) ||
    asksOtherwise(olds, news) ||
    JSON.stringify(sorted(olds.auth)) !== JSON.stringify(sorted(news.auth));
  // RFC 1034 section 3.6.2: a CNAME and another type of one name can't exist side by side, not even for a moment.
  const clash = replaces.join() === "type" && [olds.type, news.type].includes("CNAME");
  return { changes, replaces, deleteBeforeReplace: clash };
}

/** What a deletion takes out has to be recorded, also where a refresh found in the zone what the program now asks for. */
function asksOtherwise({ declared }: Props, { values, type, zone }: Props): boolean {
  if (!Array.isArray(declared) || !Array.isArray(values)) return false;
  return !sameValues(declared.map(String), values, String(type), String(zone));
}

const sorted = (auth: unknown) => Object.entries(auth ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
