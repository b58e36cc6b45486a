/** The first domain of a stack is in the names of its host and of every entry of its directory. Pure. */
import { z } from "zod";

const Summary = z.object({ domain: z.string() });

/**
 * Why a stack that has `prior` as its summary can't have that domain as `semail:domain`; undefined where it can. The
 * directory has its suffix from it: the entries of the other one could neither be kept nor, with nobody left whom the
 * directory knows as their administrator, be deleted.
 */
export function domainRefusal(prior: unknown, domain: string): string | undefined {
  const known = Summary.safeParse(prior).data?.domain;
  if (known === undefined || known === domain) return undefined;
  return (
    `semail:domain: this stack was made for ${known}, which its host and its directory have their names from, and can't be made ` +
    `one for ${domain}: passwords and mail would be lost on the way. Put ${known} back; mail for ${domain} comes to the same ` +
    `people with semail:domains. For a mail system that has nothing of ${known}, make a stack of its own.`
  );
}
