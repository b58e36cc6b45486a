/** Addresses as the URIs in which reports are asked for. Pure. */

/**
 * Percent-encoded is what RFC 6068 section 2 wants to be (what no URI has, gen-delims, `%`, `&`, `;`, `=`), and besides
 * what means something else in a record: `,` and `!` (RFC 7489 section 6.2, RFC 8460 section 3).
 */
export const mailto = (address: string): string =>
  `mailto:${address.replace(/[^\w.~$'*+@-]/gu, (sign) =>
    [...Buffer.from(sign)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join(""),
  )}`;
