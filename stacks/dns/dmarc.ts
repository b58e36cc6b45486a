/** DMARC records (RFC 7489 section 6.3). Pure. */
import { mailto } from "./mailto.ts";

type Policy = "none" | "quarantine" | "reject";

export interface DmarcPolicy {
  readonly policy: Policy;
  readonly subdomains?: Policy | undefined;
  readonly strict: boolean;
  readonly rua: readonly string[];
}

/** The record's text. */
export function dmarcValue({ policy, subdomains, strict, rua }: DmarcPolicy): string {
  return [
    "v=DMARC1",
    `p=${policy}`,
    ...(subdomains === undefined ? [] : [`sp=${subdomains}`]),
    ...(strict ? ["adkim=s", "aspf=s"] : []),
    ...(rua.length === 0 ? [] : [`rua=${rua.map(mailto).join(",")}`]),
  ].join("; ");
}

/** Values that a tag may have; tags that are not here may have any. */
const VALUES: Readonly<Record<string, RegExp>> = {
  p: /^(none|quarantine|reject)$/i,
  sp: /^(none|quarantine|reject)$/i,
  adkim: /^[rs]$/i,
  aspf: /^[rs]$/i,
  pct: /^(\d{1,2}|100)$/,
  ri: /^\d+$/,
  rf: /^[a-z0-9-]+(\s*:\s*[a-z0-9-]+)*$/i,
  fo: /^[01ds](\s*:\s*[01ds])*$/i,
};

const URI = /^mailto:[^@\s,!]+@([^@\s,!?]+?)(![0-9]+[kmgt]?)?$/i;

/** What is wrong with a record; empty when nothing is. */
export function dmarcFaults(text: string): string[] {
  const tags = tagsOf(text);
  const names = tags.map(({ name }) => name);
  return [
    // RFC 7489 section 6.3: v first, with this very value; p second.
    ...(tags[0]?.name === "v" && tags[0].value === "DMARC1" ? [] : ["it must begin with v=DMARC1"]),
    ...(names[1] === "p" ? [] : ["the second tag must be p="]),
    ...names.filter((name, at) => names.indexOf(name) < at).map((name) => `${name}= is there twice`),
    ...tags.flatMap(tagFaults),
  ];
}

function tagFaults({ name, value }: Tag): string[] {
  if (value === undefined) return [`"${name}" is no tag=value`];
  if (VALUES[name]?.test(value) === false) return [`${name}=${value} is not a value it may have`];
  if (!isReport(name)) return [];
  return urisOf(value)
    .filter((uri) => !URI.test(uri))
    .map((uri) => `${name}: "${uri}" is not of the form mailto:ADDRESS`);
}

const isReport = (name: string) => name === "rua" || name === "ruf";
const urisOf = (value: string) => value.split(",").map((uri) => uri.trim());

/** Domains of the addresses that get reports. */
export function reportDomains(text: string): string[] {
  const uris = tagsOf(text).flatMap(({ name, value }) => (isReport(name) ? urisOf(value ?? "") : []));
  return [...new Set(uris.flatMap((uri) => URI.exec(uri)?.[1]?.toLowerCase() ?? []))];
}

interface Tag {
  readonly name: string;
  readonly value: string | undefined;
}

function tagsOf(text: string): Tag[] {
  return text
    .split(";")
    .map((tag) => tag.trim())
    .filter((tag) => tag !== "")
    .map((tag) => {
      const at = tag.indexOf("=");
      return at < 0
        ? { name: tag.toLowerCase(), value: undefined }
        : { name: tag.slice(0, at).trim().toLowerCase(), value: tag.slice(at + 1).trim() };
    });
}
