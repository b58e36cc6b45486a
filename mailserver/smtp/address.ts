/** Mailboxes, RFC 5321 section 4.1.2 with RFC 6531 section 3.3. */
import { isIPv4, isIPv6 } from "node:net";
import { domainToASCII } from "node:url";
import type { Address } from "./types.ts";

const ATEXT = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~\\-\\u{80}-\\u{10ffff}]";
const DOT_STRING = new RegExp(`${ATEXT}+(?:\\.${ATEXT}+)*`, "uy");
const WHOLE_DOT_STRING = new RegExp(`^${ATEXT}+(?:\\.${ATEXT}+)*$`, "u");
const QUOTED_STRING = /"((?:[ !#-[\]-~\u{80}-\u{10ffff}]|\\[ -~])*)"/uy;
const LABEL = "[\\p{L}\\p{N}](?:[\\p{L}\\p{N}\\p{M}-]*[\\p{L}\\p{N}\\p{M}])?";
const DOMAIN = new RegExp(`${LABEL}(?:\\.${LABEL})*`, "uy");
const LITERAL = /\[([A-Za-z0-9:.]+)\]/y;
// RFC 5321 section 4.1.2: A-d-l, to be recognised and ignored (appendix C).
const SOURCE_ROUTE = new RegExp(`@${LABEL}(?:\\.${LABEL})*(?:,@${LABEL}(?:\\.${LABEL})*)*:`, "uy");

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

/** Makes an address of its parts; the local part is quoted where the wire needs it. */
export function makeAddress(local: string, domain: string): Address {
  const written = WHOLE_DOT_STRING.test(local) ? local : `"${local.replace(/[\\"]/g, "\\$&")}"`;
  const at = comparable(domain);
  // RFC 5890 section 2.3.2.4: whoever writes the one form of a name means the other, too.
  const compared = isAscii(at) ? at : domainToASCII(at) || at;
  return { local, domain: compared, text: at === "" ? written : `${written}@${at}` };
}

function comparable(domain: string): string {
  return domain.normalize("NFC").toLowerCase();
}

/** A piece of text that was understood, and where it ended. */
export interface Parsed<T> {
  readonly value: T;
  readonly end: number;
}

function parseLocal(text: string, at: number): Parsed<string> | undefined {
  const quoted = matchAt(QUOTED_STRING, text, at);
  if (quoted) return { value: (quoted[1] ?? "").replace(/\\(.)/gu, "$1"), end: QUOTED_STRING.lastIndex };
  const dots = matchAt(DOT_STRING, text, at);
  return dots ? { value: dots[0], end: DOT_STRING.lastIndex } : undefined;
}

function isAddressLiteral(content: string): boolean {
  const v6 = /^IPv6:(.*)$/i.exec(content);
  return v6 ? isIPv6(v6[1] ?? "") : isIPv4(content);
}

/** RFC 1035 section 2.3.4 */
function isShort(domain: string): boolean {
  return domain.length <= 253 && domain.split(".").every((label) => label.length <= 63);
}

function parseDomain(text: string, at: number): Parsed<string> | undefined {
  const literal = matchAt(LITERAL, text, at);
  if (literal) {
    return isAddressLiteral(literal[1] ?? "") ? { value: literal[0], end: LITERAL.lastIndex } : undefined;
  }
  const name = matchAt(DOMAIN, text, at);
  // Both as it was written and as it is kept: some letters grow when they are made small.
  if (!name || ![name[0], comparable(name[0])].every(isShort)) return undefined;
  return { value: name[0], end: DOMAIN.lastIndex };
}

/** Reads `local@domain` from a place in a text. RFC 5321 section 4.5.3.1 asks for no limit on the local part. */
export function parseMailbox(text: string, at: number): Parsed<Address> | undefined {
  const local = parseLocal(text, at);
  if (!local || text[local.end] !== "@") return undefined;
  const domain = parseDomain(text, local.end + 1);
  return domain && { value: makeAddress(local.value, domain.value), end: domain.end };
}

/** Where a source route ends, or the same place when there is none. */
export function skipSourceRoute(text: string, at: number): number {
  return matchAt(SOURCE_ROUTE, text, at) ? SOURCE_ROUTE.lastIndex : at;
}

/**
 * Reads `local@domain` without brackets, as settings, LDAP or a person write it. `utf8` allows non-ASCII.
 * Undefined when it is no mailbox.
 */
export function parseAddress(text: string, options: { readonly utf8?: boolean } = {}): Address | undefined {
  if (options.utf8 !== true && !isAscii(text)) return undefined;
  const mailbox = parseMailbox(text, 0);
  return mailbox?.end === text.length ? mailbox.value : undefined;
}
