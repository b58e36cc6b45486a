/**
 * Mail that says that it is from us. What we send on passes SPF as ours, so that a stranger's forgery of one of our domains
 * would come out of it as genuine. Pure.
 */

const isWithin = (domain: string, own: string): boolean => domain === own || domain.endsWith(`.${own}`);

/** Whether one of an author's domains (A-labels, lower case) is ours, or below one of ours. */
export function namesOurs(authors: readonly string[], ours: readonly string[]): boolean {
  return authors.some((domain) => ours.some((own) => isWithin(domain, own)));
}

/**
 * Where no DMARC record says how strictly: whether one of `vouched` (domains for which SPF or DKIM passed) is of the same
 * domain of ours as the author, which is relaxed alignment (RFC 9989 section 4.10.2).
 */
export function vouchedByOurs(author: string, vouched: readonly string[], ours: readonly string[]): boolean {
  return ours.some(
    (own) => isWithin(author, own) && vouched.some((domain) => isWithin(domain.toLowerCase(), own)),
  );
}

/** Whether an author may be of one organization with us, as far as names say: they end in the same two labels. */
export function mayShare(author: string, ours: readonly string[]): boolean {
  const end = (domain: string): string => domain.split(".").slice(-2).join(".");
  return ours.some((own) => end(own) === end(author));
}
