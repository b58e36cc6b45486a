/**
 * A name in place of a domain with underscores. RFC 7208 section 4.3 wants of a domain that DNS may have it; mailauth wants
 * a host name, and would find no SPF for those who send from another. Pure.
 */

export interface StandIn {
  /** The address as it is shown. */
  readonly address: string;
  /** A text in which that may be, with the real name. */
  back(text: string): string;
}

/** `mark`: letters and digits that nobody can have foreseen, so that no text has them but by us. */
export function standIn(address: string, mark: string): StandIn {
  const at = address.lastIndexOf("@") + 1;
  const domain = address.slice(at);
  // As an A-label it would be another word.
  if (!/^[\w.-]*_[\w.-]*$/.test(domain)) return { address, back: (text) => text };
  const labels = domain.split(".");
  // Each for itself, since a record may name some of them alone (RFC 7208 section 7.3); and short, however many underscores
  // it has, since no label may have more than 63 octets (RFC 1035 section 2.3.4).
  const shown = labels.map((label, index) => (label.includes("_") ? `${mark}${index}u` : label));
  const marked = new RegExp(`${mark}(\\d+)u`, "g");
  return {
    address: address.slice(0, at) + shown.join("."),
    back: (text) => text.replace(marked, (_, index: string) => labels[Number(index)] ?? ""),
  };
}
