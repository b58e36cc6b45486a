/** What strangers may do before it is known what they want: limits, delay, block lists, load balancers. */
import type { DNSResolver } from "mailauth";
import type { ClientSettings, SmtpInSettings } from "../contract.ts";
import type { Log } from "../net/log.ts";
import type { ServeOptions } from "../net/types.ts";
import { type ClientCounts, type Entry, LocalCounts, networkMatcher } from "../policy/client-counts.ts";
import { listedAt } from "../policy/dnsbl.ts";
import { closing, reply, tooManyConnections } from "../smtp/replies.ts";
import type { Reply } from "../smtp/types.ts";

export interface ClientDeps {
  readonly counts: ClientCounts;
  readonly log: Log;
  /** Absent: block lists are not asked. */
  readonly query?: DNSResolver;
}

export interface Clients {
  /** What the listener needs. */
  readonly serve: Pick<ServeOptions, "gate" | "greetDelayMs" | "isProxy">;
  /** Whether one recipient more is taken from the client. */
  recipient(client: string): boolean | Promise<boolean>;
  /** The block list that has the client. */
  listed(client: string): Promise<string | undefined>;
}

const REFUSALS: Readonly<Record<Entry, Reply | undefined>> = {
  welcome: undefined,
  full: tooManyConnections,
  tooMuch: closing(reply(421, "4.7.0", "Too many connections or errors from your address, try again later")),
};
/** A list that does not answer in this time lists nobody. */
const LIST_MS = 5_000;

export function createClients(settings: ClientSettings, { counts, log, query }: ClientDeps): Clients {
  const { greetDelayMs, blockLists } = settings;
  const exempt = networkMatcher(settings.exempt);
  const counted = (what: "recipientsPerHour" | "errorsPerHour"): boolean =>
    settings.address[what] + settings.network[what] > 0;
  // Counts are asked of another process: where no limit is set, there is nothing to ask.
  const [recipients, errors] = [counted("recipientsPerHour"), counted("errorsPerHour")];
  return {
    serve: {
      gate: {
        enter: async (client) => REFUSALS[await counts.enter(client)],
        leave: (client) => counts.leave(client),
        refused: (client, { code }) => {
          if (errors && code >= 500) counts.error(client);
        },
      },
      ...(greetDelayMs === 0 ? {} : { greetDelayMs: (client) => (exempt(client) ? 0 : greetDelayMs) }),
      ...(settings.proxies.length === 0 ? {} : { isProxy: networkMatcher(settings.proxies) }),
    },
    recipient: (client) => !recipients || counts.recipient(client),
    listed: async (client) => {
      if (blockLists.length === 0 || query === undefined || exempt(client)) return undefined;
      const asked = blockLists.map(async (zone) =>
        (await isListed(client, zone, query, log)) ? zone : undefined,
      );
      return (await Promise.all(asked)).find((zone) => zone !== undefined);
    },
  };
}

/** The counts of settings, in this process. */
export function countClients({ clients, limits }: SmtpInSettings, now: () => number): LocalCounts {
  return new LocalCounts({ ...clients, share: limits, now });
}

async function isListed(client: string, zone: string, query: DNSResolver, log: Log): Promise<boolean> {
  const { name, says } = listedAt(client, zone);
  const { promise: late, resolve } = Promise.withResolvers<string[]>();
  const timer = setTimeout(() => resolve([]), LIST_MS);
  try {
    const answer = await Promise.race([query(name, "A"), late]);
    return says(answer.flat());
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code !== "ENOTFOUND" && code !== "ENODATA") log.warn("dns.failed", { domain: name, error });
    return false;
  } finally {
    clearTimeout(timer);
  }
}
