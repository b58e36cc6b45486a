/** The parameters of RFC 3461 (DSN): read for servers, written for clients. */
import { isAscii } from "node:buffer";
import type { Notify, OriginalRecipient, RcptParameters } from "./types.ts";

/** RFC 3461 section 4.4: xtext of at most 100 characters. */
const ENVID_MAX = 100;
/** RFC 3461 section 4.2: the whole value. */
const ORCPT_MAX = 500;
const NOTIFY: readonly Notify[] = ["SUCCESS", "FAILURE", "DELAY"];
/** RFC 6533 section 3: `\x{…}` without leading zeros, and what needs none. */
const UTF8_ADDRESS = /^(?:[!-*,-<>-[\]-~\u{80}-\u{10ffff}]|\\x\{[1-9A-F][0-9A-F]{1,5}\})+$/u;

/** RFC 3461 section 4: xtext. Undefined when it is none. */
export function decodeXtext(text: string): string | undefined {
  if (!/^(?:[!-*,-<>-~]|\+[0-9A-F]{2})*$/.test(text)) return undefined;
  return text.replace(/\+([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

/** Printable ASCII as xtext. */
export function encodeXtext(text: string): string {
  return text.replace(/[^!-*,-<>-~]/g, (char) => `+${hex(char, 2)}`);
}

const hex = (char: string, digits: number): string =>
  (char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(digits, "0");

const isPrintable = (text: string): boolean => /^[ -~]+$/.test(text);

/** The value of ENVID; undefined when it is wrong. */
export function readEnvid(value: string): string | undefined {
  const envid = value.length > ENVID_MAX ? undefined : decodeXtext(value);
  return envid !== undefined && isPrintable(envid) ? envid : undefined;
}

/** The value of RET; undefined when it is wrong. */
export function readRet(value: string): "FULL" | "HDRS" | undefined {
  const ret = value.toUpperCase();
  return ret === "FULL" || ret === "HDRS" ? ret : undefined;
}

/** The value of NOTIFY, empty for NEVER; undefined when it is wrong. */
export function readNotify(value: string): readonly Notify[] | undefined {
  const words = value.toUpperCase().split(",");
  // RFC 3461 section 4.1: NEVER stands alone.
  if (words.length === 1 && words[0] === "NEVER") return [];
  const known = words.every((word) => NOTIFY.some((notify) => notify === word));
  const once = new Set(words).size === words.length;
  return known && once ? NOTIFY.filter((notify) => words.includes(notify)) : undefined;
}

function decodeUtf8Address(text: string, utf8: boolean): string | undefined {
  if (!UTF8_ADDRESS.test(text)) return undefined;
  // RFC 6533 section 3: raw UTF-8 needs SMTPUTF8.
  if (!utf8 && /[\u{80}-\u{10ffff}]/u.test(text)) return undefined;
  const points = [...text.matchAll(/\\x\{([0-9A-F]+)\}/g)].map((match) =>
    Number.parseInt(match[1] ?? "", 16),
  );
  if (points.some((point) => point > 0x10ffff || (point >= 0xd800 && point < 0xe000) || point < 0x20))
    return undefined;
  return text.replace(/\\x\{([0-9A-F]+)\}/g, (_, digits: string) =>
    String.fromCodePoint(Number.parseInt(digits, 16)),
  );
}

/** The value of ORCPT; undefined when it is wrong. `utf8`: the transaction has SMTPUTF8. */
export function readOrcpt(value: string, utf8: boolean): OriginalRecipient | undefined {
  const [, name = "", rest = ""] = /^([A-Za-z0-9-]+);(.+)$/su.exec(value) ?? [];
  const type = name.toLowerCase();
  if (type === "" || value.length > ORCPT_MAX) return undefined;
  const address = type === "utf-8" ? decodeUtf8Address(rest, utf8) : decodeXtext(rest);
  const printable = address !== undefined && (type === "utf-8" || isPrintable(address));
  return printable ? { type, address } : undefined;
}

/** ORCPT for the wire, always in ASCII. */
function writeOrcpt({ type, address }: OriginalRecipient): string {
  const escaped = address.replace(/[^!-*,-<>-[\]-~]/gu, (char) => `\\x{${hex(char, 2)}}`);
  return `${type};${type === "utf-8" ? escaped : encodeXtext(address)}`;
}

/** An address as the recipient that a message was for. */
export function asOriginal(address: string): OriginalRecipient {
  return { type: isAscii(Buffer.from(address)) ? "rfc822" : "utf-8", address };
}

/** Whether it is short enough for ORCPT; one that is not, servers refuse together with its recipient. */
export function fitsOrcpt(original: OriginalRecipient): boolean {
  return writeOrcpt(original).length <= ORCPT_MAX;
}

/** The words of RCPT, each with a space before it. */
export function writeRcptParameters({ notify, orcpt }: RcptParameters): string {
  const when = notify === undefined ? "" : ` NOTIFY=${notify.length === 0 ? "NEVER" : notify.join(",")}`;
  return `${when}${orcpt === undefined || !fitsOrcpt(orcpt) ? "" : ` ORCPT=${writeOrcpt(orcpt)}`}`;
}

/** The words of MAIL, each with a space before it. */
export function writeMailParameters({
  ret,
  envid,
}: {
  readonly ret?: string;
  readonly envid?: string;
}): string {
  return `${ret === undefined ? "" : ` RET=${ret}`}${envid === undefined ? "" : ` ENVID=${encodeXtext(envid)}`}`;
}
