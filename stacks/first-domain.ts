/** The first domain of a stack is in the names of its host and of every entry of its directory. Pure. */
import { z } from "zod";

const Summary = z.object({ domain: z.string() });

/** Type of the resource that the directory's container is. */
export const DIRECTORY_TYPE = "docker:index/container:Container";
const Container = z.object({ envs: z.array(z.string()) });
const VARIABLE = "SLAPD_DOMAIN=";

/** The domain that the directory was made for, which is one of `containers`: what the state has of all that there are. */
export function directoryDomain(containers: readonly unknown[]): string | undefined {
  const envs = containers.flatMap((each) => Container.safeParse(each).data?.envs ?? []);
  return envs.find((env) => env.startsWith(VARIABLE))?.slice(VARIABLE.length);
}

/**
 * Why a stack that has `prior` as its summary can't have that domain as `semail:domain`; undefined where it can. `begun`:
 * the domain of a directory that is there, where no update has come to its end and left a summary. The directory has its
 * suffix from it: the entries of the other one could neither be kept nor, with nobody left whom the directory knows as
 * their administrator, be deleted.
 */
export function domainRefusal(prior: unknown, domain: string, begun?: string): string | undefined {
  const known = Summary.safeParse(prior).data?.domain ?? begun;
  if (known === undefined || known === domain) return undefined;
  const instead =
    begun === undefined ? "" : ", or take this one down with all it has: npm run down -- --purge";
  return (
    `semail:domain: this stack was made for ${known}, which its host and its directory have their names from, and can't be made ` +
    `one for ${domain}: passwords and mail would be lost on the way. Put ${known} back; mail for ${domain} comes to the same ` +
    `people with semail:domains. For a mail system that has nothing of ${known}, make a stack of its own${instead}.`
  );
}
