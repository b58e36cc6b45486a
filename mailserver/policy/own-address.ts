/** Sub-addresses: `alice+shop@example.org` is alice's (RFC 5233). Pure. */

/** The address without its `+detail`. */
export function withoutDetail(address: string): string {
  const at = address.lastIndexOf("@");
  const plus = address.indexOf("+");
  return plus > 0 && plus < at ? address.slice(0, plus) + address.slice(at) : address;
}

/** Whether `address` (lower case) is one of a person's, with or without a detail. */
export function ownAddress(address: string, addresses: readonly string[]): boolean {
  return addresses.includes(address) || addresses.includes(withoutDetail(address));
}
