/** Mail addresses as the stack config writes them: dot-string local part, lower-case ASCII domain. */

/** Dot-string (RFC 5321 section 4.1.2) of these characters. */
const dotString = (atom: string): RegExp => new RegExp(`^(?=.{1,64}$)[${atom}]+(\\.[${atom}]+)*$`);
const ATOM = "a-z0-9!#$%&'*/=?^_`{|}~-";
const LOCAL_PART = dotString(ATOM);
const FOREIGN_LOCAL_PART = dotString(`+${ATOM}`);
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
  return isOf(LOCAL_PART, text);
}

/** Whether mail may be forwarded to `text`: as {@link isAddress}, but what `+` means is for others to say. */
export function isForward(text: string): boolean {
  return isOf(FOREIGN_LOCAL_PART, text);
}

function isOf(localPart: RegExp, text: string): boolean {
  const at = text.lastIndexOf("@");
  return at > 0 && localPart.test(text.slice(0, at)) && isDomain(domainOf(text));
}

/** The part behind the last `@`. */
export function domainOf(address: string): string {
  return address.slice(address.lastIndexOf("@") + 1);
}
