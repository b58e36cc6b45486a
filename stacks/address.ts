/** Mail addresses as the stack config writes them: dot-string local part, lower-case ASCII domain. */

const LOCAL_PART = /^(?=.{1,64}$)[a-z0-9!#$%&'*/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*/=?^_`{|}~-]+)*$/;
const LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?";
const DOMAIN = new RegExp(`^(?=.{1,253}$)(${LABEL}\\.)+${LABEL}$`);

/** Whether `text` is a domain of two labels or more in lower case (RFC 1035 section 2.3.1), and no IP address. */
export function isDomain(text: string): boolean {
  // RFC 3696 section 2: the top label isn't all digits.
  return DOMAIN.test(text) && !/\.\d+$/.test(text);
}

/**
 * Whether `text` is an address of the form local@domain (RFC 5321 section 4.1.2, Dot-string).
 * `+` is kept for tags (`alice+shop@…`), so no address may carry it.
 */
export function isAddress(text: string): boolean {
  const at = text.lastIndexOf("@");
  return at > 0 && LOCAL_PART.test(text.slice(0, at)) && isDomain(domainOf(text));
}

/** The part behind the last `@`. */
export function domainOf(address: string): string {
  return address.slice(address.lastIndexOf("@") + 1);
}
