/** What strangers may do before it is known what they want: limits, delay, block lists, load balancers. */
import { BlockList, isIPv6 } from "node:net";
import type { DNSResolver } from "mailauth";
import type { ClientSettings } from "../contract.ts";
import type { Log } from "../net/log.ts";
import type { ServeOptions } from "../net/types.ts";
import { ClientLimits } from "../policy/client-limits.ts";
import { listedAt } from "../policy/dnsbl.ts";
import { closing, reply } from "../smtp/replies.ts";

export interface ClientDeps {
  readonly now: () => number;
  readonly log: Log;
  /** Absent: block lists are not asked. */
  readonly query?: DNSResolver;
}

export interface Clients {
  /** What the listener needs. */
  readonly serve: Pick<ServeOptions, "gate" | "greetDelayMs" | "isProxy">;
  /** Whether one recipient more is taken from the client. */
  recipient(client: string): boolean;
  /** The block list that has the client. */
  listed(client: string): Promise<string | undefined>;
}

const tooMuch = closing(
  reply(421, "4.7.0", "Too many connections or errors from your address, try again later"),
);
/** A list that does not answer in this time lists nobody. */
const LIST_MS = 5_000;

export function createClients(settings: ClientSettings, deps: ClientDeps): Clients {
  const { address, network, greetDelayMs, blockLists } = settings;
  const exempt = matcher(settings.exempt);
  const limits = new ClientLimits({ address, network, now: deps.now });
  const { query } = deps;
  return {
    serve: {
      gate: {
        enter: (client) => (exempt(client) || limits.enter(client) ? undefined : tooMuch),
        leave: (client) => {
          if (!exempt(client)) limits.leave(client);
        },
        refused: (client, { code }) => {
          if (code >= 500 && !exempt(client)) limits.error(client);
        },
      },
      ...(greetDelayMs === 0 ? {} : { greetDelayMs: (client) => (exempt(client) ? 0 : greetDelayMs) }),
      ...(settings.proxies.length === 0 ? {} : { isProxy: matcher(settings.proxies) }),
    },
    recipient: (client) => exempt(client) || limits.recipient(client),
    listed: async (client) => {
      if (blockLists.length === 0 || query === undefined || exempt(client)) return undefined;
      const asked = blockLists.map(async (zone) =>
        (await isListed(client, zone, query, deps.log)) ? zone : undefined,
      );
      return (await Promise.all(asked)).find((zone) => zone !== undefined);
    },
  };
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

/** Whether an address is in one of the networks. */
function matcher(networks: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  for (const network of networks) {
    const [base = "", bits = ""] = network.split("/");
    list.addSubnet(base, Number(bits), isIPv6(base) ? "ipv6" : "ipv4");
  }
  return (address) => list.check(address, isIPv6(address) ? "ipv6" : "ipv4");
}
