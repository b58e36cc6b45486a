/** Sub-addresses: `alice+shop@example.org` is alice's (RFC 5233). Pure. */

/** What parts name and detail, unless the settings say otherwise. */
const SEPARATOR = "+";

/**
 * The address without its detail, the longest name first: where the separator is "-", `mary-ann-shop` may be
 * mary-ann's or mary's. Two at most, so that one recipient never costs many look-ups.
 */
export function withoutDetail(address: string, separator: string = SEPARATOR): string[] {
  if (separator === "") return [];
  const at = address.lastIndexOf("@");
  const cuts = [address.lastIndexOf(separator, at - 1), address.indexOf(separator)];
  const real = [...new Set(cuts)].filter((cut) => cut > 0 && cut < at);
  return real.map((cut) => address.slice(0, cut) + address.slice(at));
}

/** How sub-addresses are told from other people's addresses. */
export interface DetailRules {
  /** What parts name and detail, where it isn't the usual one. */
  readonly tagSeparator?: string;
  /** Those of the addresses that `inQuestion` names which are somebody else's. */
  readonly others: ReadonlySet<string>;
}

/**
 * Whether `address` (lower case) is one of a person's, with or without a detail. As for mail to it, the longest name that
 * somebody has is it: mary-ann's address is hers, although it looks like one of mary's with a detail.
 */
export function ownAddress(
  address: string,
  addresses: readonly string[],
  { tagSeparator, others }: DetailRules,
): boolean {
  const names = [address, ...withoutDetail(address, tagSeparator)];
  const longest = names.find((name) => others.has(name) || addresses.includes(name));
  return longest !== undefined && addresses.includes(longest);
}

/** Addresses that `address` must not be for it to be a person's own by a detail. */
export function inQuestion(address: string, addresses: readonly string[], tagSeparator?: string): string[] {
  const names = [address, ...withoutDetail(address, tagSeparator)];
  const own = names.findIndex((name) => addresses.includes(name));
  return names.slice(0, Math.max(own, 0));
}
