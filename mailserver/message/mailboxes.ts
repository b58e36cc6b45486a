/**
 * Whom a message of our own people names as its authors. What one reader takes for an author and another doesn't would
 * let a person write in somebody else's name, so only plain forms are read, and anything else is refused: no groups,
 * routes, domain literals, nested comments, or addresses in display names outside quotes. Stricter than RFC 5322
 * section 3.4, but what every mail program writes. Pure.
 */
import type { Authors } from "../policy/relay.ts";
import { normaliseAuthorDomain } from "./author.ts";
import { type Field, fieldValue } from "./header.ts";

/** RFC 5322 sections 3.6.2 and 3.6.6; each block of Resent fields has its own, so they may be there more than once. */
const OTHERS: Readonly<Record<string, string>> = {
  sender: "Sender",
  "resent-from": "Resent-From",
  "resent-sender": "Resent-Sender",
};

/** Reads From, Sender and their Resent forms. */
export function authorsOf(fields: readonly Field[]): Authors {
  const [field, ...more] = fields.filter(({ name }) => name === "from");
  if (field === undefined || more.length > 0) return { kind: "missing" };
  const from = mailboxesOf(field);
  if (from === undefined) return { kind: "unclear", field: "From" };
  // RFC 5322 section 3.6: at most one.
  if (fields.filter(({ name }) => name === "sender").length > 1) return { kind: "unclear", field: "Sender" };
  const others: { field: string; address: string }[] = [];
  for (const other of fields) {
    const label = Object.hasOwn(OTHERS, other.name) ? OTHERS[other.name] : undefined;
    if (label === undefined) continue;
    const found = mailboxesOf(other);
    if (found === undefined) return { kind: "unclear", field: label };
    others.push(...found.map((address) => ({ field: label, address })));
  }
  return { kind: "clear", from, others };
}

/** Nobody has so many authors; what is longer is not worth the time to read it. */
const LONGEST = 10_000;

/** Readers differ on control characters, on blanks other than space and tab, and on bytes that are no UTF-8. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is meant
const DOUBTFUL = /[\x00-\x08\x0a-\x1f\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff\ufffd]/;

/** A quoted string, a plain comment that stands apart, a special, or what stands between. */
const PIECE = /"(?:[^"\\]|\\.)*"|(?<=^|\s)\([^()"\\<>@,;:]*\)|[()<>@,;:[\]\\"]|[^()<>@,;:[\]\\"]+/g;

/** A mailbox as letters: `w` words, `q` a quoted string, `c` a comment. Blanks between them are left out. */
const SHAPE = /^(?:[wqc]*<[wq]@w>|c*[wq]@w)c*$/;

interface Piece {
  readonly kind: string;
  readonly text: string;
}

/** The mailboxes of a field; undefined when there is none, or any doubt. */
function mailboxesOf(field: Field): string[] | undefined {
  const value = fieldValue(field);
  if (value.length > LONGEST || DOUBTFUL.test(value)) return undefined;
  const entries: Piece[][] = [[]];
  for (const [text] of value.matchAll(PIECE)) {
    if (text === ",") entries.push([]);
    else if (text.trim() !== "") entries.at(-1)?.push({ kind: kindOf(text), text });
  }
  const mailboxes = entries.map(readMailbox);
  return mailboxes.every((mailbox) => mailbox !== undefined) ? mailboxes : undefined;
}

function kindOf(text: string): string {
  if (/^[()<>@,;:[\]\\"]$/.test(text)) return text;
  if (text.startsWith("(")) return "c";
  return text.startsWith('"') ? "q" : "w";
}

function readMailbox(pieces: readonly Piece[]): string | undefined {
  const shape = pieces.map(({ kind }) => kind).join("");
  if (!SHAPE.test(shape)) return undefined;
  const at = shape.indexOf("@");
  const local = localPart(pieces[at - 1]?.text ?? "");
  const written = pieces[at + 1]?.text.trim() ?? "";
  const domain = written.endsWith(".") ? undefined : normaliseAuthorDomain(written);
  return local === undefined || domain === undefined ? undefined : `${local}@${domain}`;
}

/** RFC 5322 section 3.2.3, with what RFC 6532 section 3.2 adds. */
const DOT_ATOM = /^[^\s.()<>@,;:[\]\\"]+(?:\.[^\s.()<>@,;:[\]\\"]+)*$/u;

/** Quoted where it need not be, or not at all: who reads quotes wrongly finds nothing else in them. */
function localPart(text: string): string | undefined {
  const written = text.trim();
  const plain = /^"([^"\\]*)"$/.exec(written)?.[1] ?? written;
  return DOT_ATOM.test(plain) ? plain.toLowerCase() : undefined;
}
