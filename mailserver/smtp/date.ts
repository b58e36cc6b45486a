/** Dates in header fields and notifications. Pure. */

/** RFC 5322 section 3.3 */
export function rfc5322Date(date: Date): string {
  return date.toUTCString().replace("GMT", "+0000");
}
