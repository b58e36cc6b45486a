/**
 * Whose domain speaks in a message's From field (RFC 5322 section 3.6.2, RFC 9989 section 5.3.1). What one reader takes
 * for an author and another doesn't is a way past every check, so anything in doubt is unclear. Pure.
 */
import { domainToASCII } from "node:url";
import addressparser from "nodemailer/lib/addressparser";
import { withoutComments } from "./comments.ts";
import { type Field, fieldValue } from "./header.ts";

/** What the From field says. */
export interface Author {
  /** There is one field, everybody reads it alike, and all its authors are of one domain. */
  readonly clear: boolean;
  /** Every domain that a reader may take for an author's: A-labels, lower case. */
  readonly domains: readonly string[];
}

const HOST =
  /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/;
/** RFC 5322 section 3.4.1: such an author has no domain that could ask for anything. */
const LITERAL = /^\[[\x21-\x5a\x5e-\x7e]*\]$/;

/** Nobody has so many authors; of what is longer, both ends are looked at. */
const LONGEST = 10_000;
/** From fields that are read from either end; there is to be one. */
const MOST = 10;

/** Reads all From fields. */
export function authorOf(fields: readonly Field[]): Author {
  const values = fields.filter(({ name }) => name === "from").map(fieldValue);
  const read = values.length > 2 * MOST ? [...values.slice(0, MOST), ...values.slice(-MOST)] : values;
  const readings = read.map(readValue);
  const domains = [...new Set(readings.flatMap((reading) => reading.domains))];
  return {
    clear: values.length === 1 && domains.length === 1 && readings.every(({ clear }) => clear),
    domains,
  };
}

function readValue(value: string): Author {
  if (value.length > LONGEST) {
    return { clear: false, domains: mentioned(`${value.slice(0, LONGEST)} ${value.slice(-LONGEST)}`) };
  }
  const { entries, broken } = split(value);
  const found = entries.map(readEntry);
  const others = secondOpinion(value);
  const own = found.flatMap(({ domains }) => domains);
  const clear = !broken && own.length > 0 && found.every((one) => one.clear);
  const agreed = others?.every((domain) => own.includes(domain)) === true;
  if (clear && agreed) return { clear, domains: own };
  return { clear: false, domains: [...own, ...(others ?? []), ...mentioned(value)] };
}

/** One entry of the list: what stands in angle brackets, and the text around it without comments. */
interface Entry {
  readonly angles: readonly string[];
  readonly text: string;
}

/** A piece outside angle brackets, and one within. */
const PIECE =
  /"(?:[^"\\]|\\.)*"|\\.|<(?:"(?:[^"\\]|\\.)*"|[^<>"])*>|\[[^[\]\\]*\]|[(),;:]|[^"\\<>()[\],;:]+|./gsu;

/** Lists and groups, flattened (RFC 5322 section 3.4, RFC 6854). */
function split(value: string): { entries: Entry[]; broken: boolean } {
  const { plain, open } = withoutComments(value);
  const pieces = [...plain.matchAll(PIECE)].map(([piece]) => piece);
  const entries = [{ angles: [] as string[], text: "" }];
  for (const piece of pieces) {
    const last = entries.at(-1);
    if (piece === "," || piece === ";") entries.push({ angles: [], text: "" });
    else if (last === undefined) continue;
    else if (piece.length > 1 && piece.startsWith("<")) last.angles.push(piece.slice(1, -1));
    // The name of a group is nobody's address.
    else last.text = piece === ":" && !last.text.includes("@") ? "" : last.text + piece;
  }
  return { entries, broken: open || pieces.some((piece) => ["<", ">", '"'].includes(piece)) };
}

function readEntry({ angles, text }: Entry): Author {
  // A display name beside an address; a name with neither is a comma that nobody quoted.
  if (angles.length === 0 && !text.includes("@")) return { clear: true, domains: [] };
  const addresses = angles.length > 0 ? angles : [text];
  const domains = addresses.map(domainOf).filter((domain) => domain !== undefined);
  return { clear: addresses.length === 1 && domains.length === 1, domains };
}

/** The domain of an address that can be read in one way only. */
function domainOf(address: string): string | undefined {
  // RFC 5322 section 4.4: an obsolete route ends at its colon.
  const spec = address
    .replace(/\s+/g, " ")
    .trim()
    .replace(/^@[^:"]*:/, "")
    .replace(/ ?([@.]) ?/g, "$1");
  const [, domain] = /^(?:"(?:[^"\\]|\\.)*"|[^\s"@<>()[\],;:\\]+)@([^@]+)$/su.exec(spec) ?? [];
  return domain === undefined ? undefined : normaliseAuthorDomain(domain);
}

/** A domain as it is compared: A-labels, lower case; undefined when it is none. A literal keeps its brackets. */
export function normaliseAuthorDomain(domain: string): string | undefined {
  if (LITERAL.test(domain)) return domain.toLowerCase();
  if (!/^[a-z0-9._\-\u0080-\u{10ffff}]+$/iu.test(domain)) return undefined;
  // As those who show it map it: invisible and wide characters are gone (UTS 46).
  const ascii = /^[\x21-\x7e]+$/.test(domain) ? domain.toLowerCase() : domainToASCII(domain);
  const name = ascii.replace(/\.$/, "");
  return HOST.test(name) ? name : undefined;
}

/** What another reader makes of it; undefined when it can't. */
function secondOpinion(value: string): string[] | undefined {
  try {
    const found = addressparser(value, { flatten: true }).filter(({ address }) => address);
    const domains = found.map(({ address = "" }) => domainOf(address));
    return domains.every((domain) => domain !== undefined) ? domains : undefined;
  } catch {
    return undefined;
  }
}

/** Everything after an `@` that looks like a domain, or ends in one. */
function mentioned(value: string): string[] {
  return [...value.matchAll(/@([a-z0-9._\-\u0080-\u{10ffff}]+)/giu)].flatMap(([, domain = ""]) => {
    const labels = domain
      .split(".")
      .filter((label) => label !== "")
      .slice(-7);
    const name = labels
      .map((_, from) => normaliseAuthorDomain(labels.slice(from).join(".")))
      .find((found) => found !== undefined);
    return name === undefined ? [] : [name];
  });
}
