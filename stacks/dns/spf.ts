/** SPF records (RFC 7208): what they cost, and how ours joins one that is there. Pure but for the `ask` given. */

/** Whether a TXT value is an SPF record (RFC 7208 section 4.5). */
export const isSpf = (text: string): boolean => /^v=spf1( |$)/i.test(text);

const termsOf = (text: string): string[] => text.trim().split(/ +/).slice(1);

const isAll = (term: string): boolean => /^[-+~?]?all$/i.test(term);

const isLast = (term: string): boolean => isAll(term) || /^(redirect|exp)=/i.test(term);

/** Those of `own` that a record doesn't have, or only behind `all`, where nobody looks (RFC 7208 section 5.1). */
export function missingTerms(text: string, own: readonly string[]): string[] {
  const terms = termsOf(text);
  const all = terms.findIndex(isAll);
  const looked = all < 0 ? terms : terms.slice(0, all);
  const there = new Set(looked.map((term) => term.toLowerCase().replace(/^\+/, "")));
  return own.filter((term) => !there.has(term));
}

/** The record with ours in front of what decides about everybody else; whom it let send before, it still lets. */
export function mergeSpf(existing: string, own: readonly string[]): string {
  const terms = termsOf(existing);
  const missing = missingTerms(existing, own);
  const last = terms.findIndex(isLast);
  const at = last < 0 ? terms.length : last;
  return ["v=spf1", ...terms.slice(0, at), ...missing, ...terms.slice(at)].join(" ");
}

/** What DNS has: TXT texts, or names that an address or MX term asks for. Undefined: it could not be asked. */
export type Ask = (name: string, type: "TXT" | "A" | "MX") => Promise<readonly string[] | undefined>;

export interface SpfCost {
  lookups: number;
  voids: number;
  /** Names that could not be asked for: the numbers may be higher. */
  readonly unknown: string[];
  /** Names whose record includes itself, or has none. */
  readonly broken: string[];
}

/** RFC 7208 section 4.6.4 */
export const SPF_LIMITS = { lookups: 10, voids: 2 } as const;

const COSTLY = /^[-+~?]?(include|a|mx|ptr|exists)(?:[:/](.*))?$/i;

/** What a receiver has to ask to evaluate a record to its end. Stops once it is far too much. */
export async function spfCost(text: string, domain: string, ask: Ask): Promise<SpfCost> {
  const cost: SpfCost = { lookups: 0, voids: 0, unknown: [], broken: [] };
  await addCost(text, { domain, ask, cost, path: [domain] });
  return cost;
}

interface Walk {
  readonly domain: string;
  readonly ask: Ask;
  readonly cost: SpfCost;
  readonly path: readonly string[];
}

async function addCost(text: string, walk: Walk): Promise<void> {
  const terms = termsOf(text);
  const all = terms.findIndex(isAll);
  // RFC 7208 section 5.1: nothing behind `all` is looked at, nor a redirect beside it, wherever that stands.
  const looked = all < 0 ? terms : terms.slice(0, all).filter((term) => !/^redirect=/i.test(term));
  for (const term of looked) {
    if (walk.cost.lookups > 2 * SPF_LIMITS.lookups) return;
    const redirect = /^redirect=(.+)$/i.exec(term)?.[1];
    const [, kind, rest] = COSTLY.exec(term) ?? [];
    if (redirect !== undefined) await follow(redirect, walk);
    else if (kind?.toLowerCase() === "include") await follow(rest ?? "", walk);
    else if (kind !== undefined) await look(kind.toLowerCase(), term, walk);
  }
}

/** A macro (RFC 7208 section 7) is known only for a message. */
const isMacro = (name: string) => name.includes("%");

async function follow(to: string, walk: Walk): Promise<void> {
  const { ask, cost, path } = walk;
  const name = to.toLowerCase().replace(/\.$/, "");
  cost.lookups += 1;
  if (isMacro(name)) return;
  if (path.includes(name)) return void cost.broken.push(name);
  const texts = await ask(name, "TXT");
  if (texts === undefined) return void cost.unknown.push(name);
  if (texts.length === 0) cost.voids += 1;
  const [record, ...more] = texts.filter(isSpf);
  // RFC 7208 section 5.2: an include without a record, or with two, is a permanent error.
  if (record === undefined || more.length > 0) return void cost.broken.push(name);
  await addCost(record, { ...walk, domain: name, path: [...path, name] });
}

async function look(kind: string, term: string, { domain, ask, cost }: Walk): Promise<void> {
  cost.lookups += 1;
  const target = /:([^/]+)/.exec(term)?.[1]?.toLowerCase() ?? domain;
  if (kind === "ptr" || isMacro(target)) return;
  const found = await ask(target, kind === "mx" ? "MX" : "A");
  if (found === undefined) cost.unknown.push(target);
  else if (found.length === 0) cost.voids += 1;
}
