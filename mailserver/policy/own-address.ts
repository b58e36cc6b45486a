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

/** Whether `address` (lower case) is one of a person's, with or without a detail. */
export function ownAddress(address: string, addresses: readonly string[], separator?: string): boolean {
  return [address, ...withoutDetail(address, separator)].some((candidate) => addresses.includes(candidate));
}
