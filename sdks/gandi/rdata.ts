/** Record values: what is valid, how they are written, when two mean the same. Pure. */
import { isIP, isIPv4, isIPv6, SocketAddress } from "node:net";
import { parseStrings, quoteBytes, txtBytes } from "./txt.ts";

/** The types that LiveDNS takes. */
export const TYPES =
  "A AAAA ALIAS CAA CDS CNAME DNAME DS HTTPS KEY LOC MX NAPTR NS OPENPGPKEY PTR RP SPF SRV SSHFP SVCB TLSA TXT".split(
    " ",
  );

/** Which fields of a type's value are host names. */
const HOST_FIELDS: { [type: string]: number[] } = {
  ALIAS: [0],
  CNAME: [0],
  DNAME: [0],
  MX: [1],
  NS: [0],
  PTR: [0],
  SRV: [3],
};

/** Types whose value ends in one hexadecimal or base64 field, which may be broken by spaces; and where it begins. */
const HEX_FIELD: { [type: string]: number } = { TLSA: 3, SSHFP: 2, DS: 3, CDS: 3 };
const BASE64_FIELD: { [type: string]: number } = { OPENPGPKEY: 0, KEY: 3 };

const isText = (type: string) => type === "TXT" || type === "SPF";

/** The host name in full, with its dot, in lower case. RFC 1035 section 5.1: without a dot it is relative. */
export function absolute(host: string, zone: string): string {
  const name = host.toLowerCase();
  if (name === "@") return `${zone}.`;
  return name.endsWith(".") ? name : `${name}.${zone}.`;
}

function canonicalIp(value: string): string {
  if (!isIPv6(value)) return value;
  return new SocketAddress({ address: value, family: "ipv6" }).address;
}

/** The value in the one form that all of its spellings share. An unreadable one stays what it is. */
export function canonical(value: string, type: string, zone: string): string {
  if (isText(type)) return quoteBytes(txtBytes(value) ?? Buffer.from(value));
  if (type === "A" || type === "AAAA") return canonicalIp(value.trim());
  const fields = value.trim().split(/\s+/);
  const joinAt = HEX_FIELD[type] ?? BASE64_FIELD[type];
  if (joinAt !== undefined) {
    const last = fields.slice(joinAt).join("");
    return [...fields.slice(0, joinAt).map(number), type in HEX_FIELD ? last.toLowerCase() : last].join(" ");
  }
  if (type === "CAA") return canonicalCaa(value, fields);
  const hosts = HOST_FIELDS[type];
  if (hosts === undefined) return fields.join(" ");
  return fields.map((field, at) => (hosts.includes(at) ? absolute(field, zone) : number(field))).join(" ");
}

/** `010` and `10` are the same preference. */
const number = (field: string) => (/^\d+$/.test(field) ? String(Number(field)) : field);

function canonicalCaa(value: string, fields: string[]): string {
  const [flags = "", tag = ""] = fields;
  const rest = value.trim().replace(/^\S+\s+\S+\s*/, "");
  const bytes = parseStrings(rest);
  return `${number(flags)} ${tag.toLowerCase()} ${bytes === undefined ? rest : quoteBytes(bytes)}`;
}

/** The value as it is sent: TXT quoted and split at 255 bytes, all else as given. */
export function toWire(value: string, type: string): string {
  return isText(type) ? quoteBytes(txtBytes(value) ?? Buffer.from(value)) : value.trim();
}

/** Whether two lists hold the same values, whatever their order and spelling. */
export function sameValues(a: readonly string[], b: readonly string[], type: string, zone: string): boolean {
  const view = (values: readonly string[]) =>
    JSON.stringify(values.map((v) => canonical(v, type, zone)).sort());
  return view(a) === view(b);
}

const HOST =
  /^(?=.{1,254}$)(@|(\*\.)?([a-z0-9_]([a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?\.?)$/i;

function hostFault(host: string, zone: string): string | undefined {
  if (!HOST.test(host)) return `"${host}" is no host name`;
  if (!host.endsWith(".") && `.${host.toLowerCase()}`.endsWith(`.${zone}`)) {
    return `"${host}" has no dot at its end, so it would mean ${absolute(host, zone)}; write "${host}."`;
  }
  return undefined;
}

const NUMBERS_THEN_HOST: { [type: string]: { numbers: number; form: string } } = {
  MX: { numbers: 1, form: "PREFERENCE HOST, e.g. 10 mail.example.org." },
  SRV: { numbers: 3, form: "PRIORITY WEIGHT PORT HOST" },
};

const isUint16 = (field: string) => /^\d{1,5}$/.test(field) && Number(field) <= 65_535;

function hostValueFault(value: string, type: string, zone: string): string | undefined {
  const fields = value.trim().split(/\s+/);
  const { numbers, form } = NUMBERS_THEN_HOST[type] ?? { numbers: 0, form: "HOST" };
  if (fields.length !== numbers + 1 || !fields.slice(0, numbers).every(isUint16)) {
    return `"${value}" is not of the form ${form}`;
  }
  const host = fields[numbers] ?? "";
  // RFC 7505 section 3: the null MX; RFC 2782: no service.
  if (host === "." && numbers > 0) return undefined;
  if (isIP(host.replace(/\.$/, "")) !== 0) return `"${host}" is an address where a host name belongs`;
  return hostFault(host, zone);
}

/** What is wrong with a value; undefined when nothing is that can be told without asking LiveDNS. */
export function valueFault(value: string, type: string, zone: string): string | undefined {
  if (isText(type)) return txtBytes(value) === undefined ? `${value} is not well quoted` : undefined;
  if (value.trim() === "" || /[\r\n]/.test(value)) return "a value is empty or has a line break";
  if (type === "A") return isIPv4(value) ? undefined : `"${value}" is no IPv4 address`;
  if (type === "AAAA") return isIPv6(value) ? undefined : `"${value}" is no IPv6 address`;
  return type in HOST_FIELDS ? hostValueFault(value, type, zone) : undefined;
}
