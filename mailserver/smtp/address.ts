/**
 * Mailboxes, RFC 5321 section 4.1.2 with RFC 6531 section 3.3. Envelopes have two kinds more, as real hosts give them out:
 * dots at any place of a local part without quotes (`a..b@`, `user.@`: mailboxes of Japanese telephone companies), and
 * underscores in a domain, which DNS doesn't mind (RFC 2181 section 11). What there is, only its own host knows.
 */
import { isIPv4, isIPv6 } from "node:net";
import { domainToASCII } from "node:url";
import type { Address } from "./types.ts";

const ATEXT = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~\\-\\u{80}-\\u{10ffff}]";
const DOT_STRING = `${ATEXT}+(?:\\.${ATEXT}+)*`;
const LOOSE_DOT_STRING = `\\.*${ATEXT}(?:${ATEXT}|\\.)*`;
const WHOLE_DOT_STRING = new RegExp(`^${DOT_STRING}$`, "u");
const WHOLE_LOOSE_DOT_STRING = new RegExp(`^${LOOSE_DOT_STRING}$`, "u");
const QUOTED_STRING = /"((?:[ !#-[\]-~\u{80}-\u{10ffff}]|\\[ -~])*)"/uy;
const LABEL = "[\\p{L}\\p{N}](?:[\\p{L}\\p{N}\\p{M}-]*[\\p{L}\\p{N}\\p{M}])?";
const LOOSE_LABEL = "[\\p{L}\\p{N}_](?:[\\p{L}\\p{N}\\p{M}_-]*[\\p{L}\\p{N}\\p{M}_])?";
const LITERAL = /\[([A-Za-z0-9:.]+)\]/y;
// RFC 5321 section 4.1.2: A-d-l, to be recognised and ignored (appendix C).
const AT_DOMAIN = `@${LOOSE_LABEL}(?:\\.${LOOSE_LABEL})*`;
const SOURCE_ROUTE = new RegExp(`${AT_DOMAIN}(?:,${AT_DOMAIN})*:`, "uy");

/** What is taken where nothing is quoted. */
interface Grammar {
  readonly local: RegExp;
  readonly domain: RegExp;
}

/** RFC 5321 section 4.1.2, to the letter. */
const STRICT: Grammar = {
  local: new RegExp(DOT_STRING, "uy"),
  domain: new RegExp(`${LABEL}(?:\\.${LABEL})*`, "uy"),
};
const LOOSE: Grammar = {
  local: new RegExp(LOOSE_DOT_STRING, "uy"),
  domain: new RegExp(`${LOOSE_LABEL}(?:\\.${LOOSE_LABEL})*`, "uy"),
};

/** Matches a sticky pattern at a place. */
function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

/** True when every character is ASCII. */
export function isAscii(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the ASCII range is what is meant
  return /^[\x00-\x7f]*$/.test(text);
}

/**
 * Makes an address of its parts; the local part is quoted where the wire needs it. `bare`: odd dots are no reason, since
 * whoever named it wrote none, and their host may know it by no other form.
 */
export function makeAddress(
  local: string,
  domain: string,
  { bare = false }: { readonly bare?: boolean } = {},
): Address {
  const unquoted = bare ? WHOLE_LOOSE_DOT_STRING : WHOLE_DOT_STRING;
  const written = unquoted.test(local) ? local : `"${local.replace(/[\\"]/g, "\\$&")}"`;
  const at = comparable(domain);
  // RFC 5890 section 2.3.2.4: whoever writes the one form of a name means the other, too.
  const compared = isAscii(at) ? at : domainToASCII(at) || at;
  return { local, domain: compared, text: at === "" ? written : `${written}@${at}` };
}

/** Whether the local part is written without quotes. */
export function isBare({ text }: Pick<Address, "text">): boolean {
  return !text.startsWith('"');
}

function comparable(domain: string): string {
  return domain.normalize("NFC").toLowerCase();
}

/** A piece of text that was understood, and where it ended. */
export interface Parsed<T> {
  readonly value: T;
  readonly end: number;
}

interface Local {
  readonly local: string;
  readonly bare: boolean;
}

function parseLocal(text: string, at: number, { local: unquoted }: Grammar): Parsed<Local> | undefined {
  const quoted = matchAt(QUOTED_STRING, text, at);
  if (quoted) {
    const local = (quoted[1] ?? "").replace(/\\(.)/gu, "$1");
    return { value: { local, bare: false }, end: QUOTED_STRING.lastIndex };
  }
  const dots = matchAt(unquoted, text, at);
  return dots ? { value: { local: dots[0], bare: true }, end: unquoted.lastIndex } : undefined;
}

function isAddressLiteral(content: string): boolean {
  const v6 = /^IPv6:(.*)$/i.exec(content);
  return v6 ? isIPv6(v6[1] ?? "") : isIPv4(content);
}

/**
 * Whether DNS can have the domain. A name may be written in letters of which IDNA makes no A-labels (RFC 5891 section 5), or
 * longer ones than were written: there is no such domain, and never will be.
 */
export function fitsDns({ domain }: Address): boolean {
  return domain === "" || (isAscii(domain) && isShort(domain) && !domain.split(".").includes(""));
}

/** RFC 1035 section 2.3.4 */
function isShort(domain: string): boolean {
  return domain.length <= 253 && domain.split(".").every((label) => label.length <= 63);
}

function parseDomain(text: string, at: number, { domain: named }: Grammar): Parsed<string> | undefined {
  const literal = matchAt(LITERAL, text, at);
  if (literal) {
    return isAddressLiteral(literal[1] ?? "") ? { value: literal[0], end: LITERAL.lastIndex } : undefined;
  }
  const name = matchAt(named, text, at);
  // Both as it was written and as it is kept: some letters grow when they are made small.
  if (!name || ![name[0], comparable(name[0])].every(isShort)) return undefined;
  return { value: name[0], end: named.lastIndex };
}

function parseBy(grammar: Grammar, text: string, at: number): Parsed<Address> | undefined {
  const local = parseLocal(text, at, grammar);
  if (!local || text[local.end] !== "@") return undefined;
  const domain = parseDomain(text, local.end + 1, grammar);
  if (!domain) return undefined;
  const { local: meaning, bare } = local.value;
  return { value: makeAddress(meaning, domain.value, { bare }), end: domain.end };
}

/**
 * Reads `local@domain` from a place in a text, as envelopes have it. RFC 5321 section 4.5.3.1 asks for no limit on the
 * local part.
 */
export function parseMailbox(text: string, at: number): Parsed<Address> | undefined {
  return parseBy(LOOSE, text, at);
}

/** Where a source route ends, or the same place when there is none. */
export function skipSourceRoute(text: string, at: number): number {
  return matchAt(SOURCE_ROUTE, text, at) ? SOURCE_ROUTE.lastIndex : at;
}

const whole = (mailbox: Parsed<Address> | undefined, text: string): Address | undefined =>
  mailbox?.end === text.length ? mailbox.value : undefined;

/**
 * Reads `local@domain` without brackets, as settings, LDAP or a person write it. `utf8` allows non-ASCII.
 * Undefined when it is no mailbox.
 */
export function parseAddress(text: string, options: { readonly utf8?: boolean } = {}): Address | undefined {
  if (options.utf8 !== true && !isAscii(text)) return undefined;
  return whole(parseBy(STRICT, text, 0), text);
}

/** The same of an address that an envelope had or will have: in UTF-8, and as others give it out. */
export function parseEnvelopeAddress(text: string): Address | undefined {
  return whole(parseMailbox(text, 0), text);
}
