/** What the checks ask of the world: the zones' API and a resolver. */
import { Resolver } from "node:dns/promises";
import { connect } from "@pulumi/gandi/client.ts";
import { explain } from "@pulumi/gandi/errors.ts";
import type { Auth } from "@pulumi/gandi/http.ts";
import type { HeldRecord } from "./held.ts";
import type { Ask } from "./spf.ts";

/** What the zones hold now. Throws an error with its remedy when the API can't be asked. */
export async function heldRecords(domains: readonly string[], auth: Auth): Promise<HeldRecord[]> {
  const client = connect(auth);
  const zones = await Promise.all(
    domains.map(async (zone) => {
      const sets = await client.records(zone).catch((error: unknown) => {
        throw explain(error, `domain ${zone}`, zone);
      });
      return sets.map((set) => ({
        ...{ zone, name: set.rrset_name, type: set.rrset_type },
        ...{ ttl: set.rrset_ttl, values: set.rrset_values },
      }));
    }),
  );
  return zones.flat();
}

/** There is no such name, or nothing of that type at it: an answer, too. */
const ABSENT = new Set(["ENOTFOUND", "ENODATA"]);

/** Nobody is there to answer; of a name that is broken elsewhere (SERVFAIL) a resolver says so. */
const SILENT = new Set(["ETIMEOUT", "ECONNREFUSED", "ECANCELLED"]);

const codeOf = (error: unknown): string => String((error as NodeJS.ErrnoException).code);

type Resolving = Pick<
  Resolver,
  "resolve4" | "resolve6" | "resolveMx" | "resolveNs" | "resolveTxt" | "reverse"
>;

/** Asks the machine's resolver. After a silence it is asked nothing more: one wait is enough to know. */
export function askResolver(resolver: Resolving = new Resolver({ timeout: 1_500, tries: 2 })) {
  let silent = false;
  const once = async (query: () => Promise<readonly string[]>): Promise<readonly string[] | undefined> => {
    if (silent) return undefined;
    try {
      return await query();
    } catch (error) {
      silent ||= SILENT.has(codeOf(error));
      return ABSENT.has(codeOf(error)) ? [] : undefined;
    }
  };
  const addresses = async (name: string): Promise<readonly string[]> => {
    const v4 = await resolver.resolve4(name).catch((error: NodeJS.ErrnoException) => {
      if (!ABSENT.has(codeOf(error))) throw error;
      return [];
    });
    return v4.length > 0 ? v4 : resolver.resolve6(name);
  };
  const ask: Ask = (name, type) =>
    once(async () => {
      if (type === "TXT") return (await resolver.resolveTxt(name)).map((parts) => parts.join(""));
      return type === "MX"
        ? (await resolver.resolveMx(name)).map(({ exchange }) => exchange)
        : addresses(name);
    });
  return {
    ask,
    reverse: (address: string) => once(() => resolver.reverse(address)),
    servers: (zone: string) => once(() => resolver.resolveNs(zone)),
  };
}
