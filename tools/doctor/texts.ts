/** What is wrong with a TXT record, by what it is for. Pure. */
import { dmarcFaults } from "../../stacks/dns/dmarc.ts";
import { isSpf, missingTerms } from "../../stacks/dns/spf.ts";

/** What is wrong, and by which rule. `remedy` where it isn't simply to enter what the stack wants. */
export interface Fault {
  readonly rule: string;
  readonly message: string;
  readonly remedy?: string;
}

interface Kind {
  readonly what: string;
  readonly rule: string;
  /** Whether a text means to be one. */
  readonly is: (text: string) => boolean;
  /** What is wrong with the only one there is. */
  readonly compare: (found: string, wanted: string) => Omit<Fault, "rule"> | undefined;
  readonly several: string;
}

const KINDS: readonly Kind[] = [
  {
    what: "SPF record",
    rule: "SPF, RFC 7208 section 4.5",
    is: isSpf,
    several: "receivers take none of them. Make one: all terms behind one v=spf1, with one `all` at the end",
    compare: compareSpf,
  },
  {
    what: "DMARC record",
    rule: "DMARC, RFC 7489 section 6.3",
    is: (text) => /^v\s*=\s*DMARC1\b/i.test(text),
    several: "receivers take none of them (RFC 7489 section 6.6.3). Leave one",
    compare: compareDmarc,
  },
  {
    what: "MTA-STS record",
    rule: "MTA-STS, RFC 8461 section 3.1",
    is: (text) => /^v\s*=\s*STSv1\b/i.test(text),
    several: "senders take none of them. Leave one",
    compare: (found, wanted) =>
      differing(found, wanted, "senders that know the old policy don't fetch the one that is served"),
  },
  {
    what: "TLS report record",
    rule: "TLS reports, RFC 8460 section 3",
    is: (text) => /^v\s*=\s*TLSRPTv1\b/i.test(text),
    several: "senders take none of them. Leave one",
    compare: (found, wanted) => differing(found, wanted),
  },
  {
    // The last one: its v= may be left out, and others have a p=, too.
    what: "DKIM key",
    rule: "DKIM key, RFC 6376 section 3.6.1",
    is: (text) => /^\s*v\s*=\s*DKIM1\b|(^|;)\s*p\s*=/i.test(text),
    several: "receivers may take either. Leave the one that the stack makes",
    compare: compareKey,
  },
];

/** Of what a record says about itself, what concerns us; the stack's own texts decide which. */
export function textFault(texts: readonly string[], wanted: readonly string[]): Fault | undefined {
  for (const want of wanted) {
    const kind = KINDS.find(({ is }) => is(want));
    // Other texts at the same name are others' concern.
    if (kind !== undefined) return kindFault(kind, texts, want);
  }
  return undefined;
}

function kindFault(kind: Kind, texts: readonly string[], want: string): Fault | undefined {
  const { rule, what } = kind;
  const [found, ...more] = texts.filter(kind.is);
  if (found === undefined) {
    const other = texts[0];
    return {
      rule,
      message:
        other === undefined
          ? "is missing"
          : `there is no ${what} among its ${texts.length} ${texts.length === 1 ? "text" : "texts"}`,
    };
  }
  if (more.length > 0) {
    const [why = "", then = ""] = kind.several.split(". ");
    return { rule, message: `there are ${more.length + 1} ${what}s: ${why}`, remedy: `${then}.` };
  }
  const fault = kind.compare(found, want);
  return fault && { rule, ...fault };
}

function compareSpf(found: string, wanted: string): Omit<Fault, "rule"> | undefined {
  const own = wanted
    .split(/ +/)
    .slice(1)
    .filter((term) => !/^[-+~?]?all$/i.test(term) && !term.startsWith("redirect="));
  const missing = missingTerms(found, own);
  if (missing.length > 0) {
    return {
      message: `it doesn't let our host send: ${missing.join(" ")} is not before the \`all\` of "${clip(found)}"`,
      remedy: `Add ${missing.join(" ")} before its \`all\`.`,
    };
  }
  if (!/(^| )\+?all( |$)/i.test(found)) return undefined;
  return { message: "it lets everybody send in the domain's name", remedy: "Make its `all` a `-all`." };
}

/** `name=value` pairs, their order and blanks left aside. */
function tagsOf(text: string): Map<string, string> {
  return new Map(
    text.split(";").flatMap((part): [string, string][] => {
      const at = part.indexOf("=");
      const value = part.slice(at + 1).replaceAll(/\s+/g, "");
      return at < 0 ? [] : [[part.slice(0, at).trim().toLowerCase(), value]];
    }),
  );
}

function compareKey(found: string, wanted: string): Omit<Fault, "rule"> | undefined {
  if (found.includes("\\")) {
    return {
      message: "it has backslashes in it, which somebody's zone file needed and DNS doesn't",
      remedy: "Enter it without any backslash.",
    };
  }
  const [there, want] = [tagsOf(found), tagsOf(wanted)];
  const [key = "", ours = ""] = [there.get("p"), want.get("p")];
  if (key === ours) return differing(found, wanted);
  if (key === "") return { message: "it says that the key is revoked" };
  if (ours.startsWith(key)) {
    return {
      message: `the key is cut off after ${key.length} of its ${ours.length} characters`,
      remedy: "Enter it whole; where the provider takes 255 characters at most, as two strings in quotes.",
    };
  }
  return { message: "it is another key than the one that mail is signed with" };
}

function compareDmarc(found: string, wanted: string): Omit<Fault, "rule"> | undefined {
  const [fault] = dmarcFaults(found);
  return fault === undefined ? differing(found, wanted) : { message: fault };
}

function differing(found: string, wanted: string, so?: string): Omit<Fault, "rule"> | undefined {
  const [there, want] = [tagsOf(found), tagsOf(wanted)];
  const names = [...new Set([...want.keys(), ...there.keys()])].filter(
    (name) => there.get(name) !== want.get(name),
  );
  if (names.length === 0) return undefined;
  const show = (tags: Map<string, string>) =>
    names.flatMap((name) => (tags.has(name) ? [`${name}=${clip(tags.get(name) ?? "")}`] : [])).join("; ");
  const message = `it says ${show(there) || "nothing"} where the stack has ${show(want) || "nothing"}`;
  return { message: so === undefined ? message : `${message}: ${so}` };
}

const clip = (text: string): string => (text.length <= 80 ? text : `${text.slice(0, 80)}…`);
