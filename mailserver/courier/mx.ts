/** Which hosts take mail for a domain (RFC 5321 section 5.1, RFC 7505). */
import { isIP, isIPv6 } from "node:net";
import { reply } from "../smtp/replies.ts";
import type { Outcome } from "../smtp/types.ts";

/** The records that a name has, at least one. */
export interface DnsAnswer<T> {
  readonly records: readonly T[];
  /** DNSSEC vouches for all of it (RFC 4033 section 5: "secure"), aliases included. */
  readonly secure: boolean;
  /** Where the records are: another name than the one that was asked for when that is an alias. */
  readonly name: string;
}

/** The DNS questions that routing asks; errors carry codes of node:dns such as ENOTFOUND. */
export interface Dns {
  resolveMx(name: string): Promise<DnsAnswer<{ exchange: string; priority: number }>>;
  resolve4(name: string): Promise<DnsAnswer<string>>;
  resolve6(name: string): Promise<DnsAnswer<string>>;
}

export interface MxDeps {
  readonly dns: Dns;
  /** In [0, 1). */
  readonly random: () => number;
  /** Names under which mail reaches ourselves. */
  readonly ownNames: readonly string[];
}

/**
 * Host names in the order in which they are tried, or why there is none. `secure`: nobody but the domain can have
 * named them.
 */
export type Route =
  | { readonly kind: "hosts"; readonly hosts: readonly string[]; readonly secure: boolean }
  | NoRoute;
/** Addresses of one host; `secure` and `name` as in DnsAnswer. */
export type HostAddresses =
  | {
      readonly kind: "addresses";
      readonly addresses: readonly string[];
      readonly secure: boolean;
      readonly name: string;
    }
  | NoRoute;
export type NoRoute = { readonly kind: "none"; readonly outcome: Outcome };

/** The hosts of a domain. `domain` may be an address literal. */
export async function findHosts(domain: string, deps: MxDeps): Promise<Route> {
  const literal = addressLiteral(domain);
  if (literal !== undefined) return { kind: "hosts", hosts: [literal], secure: false };
  try {
    const { records, secure } = await deps.dns.resolveMx(domain);
    return fromRecords(domain, { records, secure }, deps);
  } catch (error) {
    const code = dnsCode(error);
    // RFC 5321 section 5.1: without MX records the domain itself is the host.
    if (code === "ENODATA") return fromImplicit(domain, deps);
    if (code === "ENOTFOUND") return none("permanent", 550, "5.1.2", `The domain ${domain} does not exist`);
    // An internationalised name without A-labels, or too long: no look-up will ever succeed (RFC 6531 section 3.2).
    if (code === "EBADNAME") {
      return none("permanent", 553, "5.1.2", `There can be no domain of the name ${domain} (IDNA)`);
    }
    return none("temporary", 451, "4.4.3", `The MX records of ${domain} could not be looked up (${code})`);
  }
}

/** A before AAAA: where IPv6 does not work, an AAAA that stalls costs its time-out only after IPv4 has failed. */
export async function findAddresses(host: string, dns: Dns): Promise<HostAddresses> {
  if (isIP(host) !== 0) return { kind: "addresses", addresses: [host], secure: false, name: host };
  const [v4, v6] = await Promise.allSettled([dns.resolve4(host), dns.resolve6(host)]);
  const answers = [v4, v6].flatMap((found) => (found.status === "fulfilled" ? [found.value] : []));
  const [first] = answers;
  if (first !== undefined) {
    const addresses = answers.flatMap(({ records }) => records);
    return { kind: "addresses", addresses, secure: answers.every(({ secure }) => secure), name: first.name };
  }
  const codes = [v4, v6].map((found) => (found.status === "rejected" ? dnsCode(found.reason) : "ENODATA"));
  const absent = codes.every((code) => code === "ENODATA" || code === "ENOTFOUND");
  const text = `The mail host ${host} has no address`;
  if (absent) return none("temporary", 451, "4.4.4", text);
  return none("temporary", 451, "4.4.3", `${text} that could be looked up (${codes.join(", ")})`);
}

/** At most `most` of a host's addresses, IPv4 first; of both families when there are both, since one may not work. */
export function someAddresses(addresses: readonly string[], most: number): string[] {
  const v4 = addresses.filter((address) => !isIPv6(address));
  const v6 = addresses.filter(isIPv6).slice(0, Math.max(most - v4.length, Math.ceil(most / 2)));
  return [...v4.slice(0, most - v6.length), ...v6];
}

/** DNS lets labels hold any byte. What holds others than these is no host, and must never reach a header or a log. */
const HOST_NAME = /^(?=.{1,253}$)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*$/;

function fromRecords(
  domain: string,
  { records, secure }: Pick<DnsAnswer<{ exchange: string; priority: number }>, "records" | "secure">,
  deps: MxDeps,
): Route {
  const named = records.map(({ exchange, priority }) => ({
    host: exchange.toLowerCase().replace(/\.$/, ""),
    priority,
  }));
  const real = named.filter(({ host }) => host !== "");
  // RFC 7505 section 3: a single MX of the root says that the domain takes no mail.
  if (real.length === 0) return none("permanent", 556, "5.1.10", `The domain ${domain} takes no mail`);
  const hosts = real.filter(({ host }) => HOST_NAME.test(host));
  if (hosts.length === 0) return none("temporary", 451, "4.4.4", `The MX records of ${domain} name no host`);
  // RFC 5321 section 5.1: our own name and everything as good or worse goes, or mail would run in circles.
  const own = new Set(deps.ownNames);
  const limit = Math.min(...hosts.filter(({ host }) => own.has(host)).map(({ priority }) => priority));
  const usable = hosts.filter(({ priority }) => priority < limit);
  if (usable.length === 0) return loop(domain);
  return { kind: "hosts", hosts: inOrder(usable, deps.random).map(({ host }) => host), secure };
}

async function fromImplicit(domain: string, deps: MxDeps): Promise<Route> {
  if (deps.ownNames.includes(domain)) return loop(domain);
  const found = await findAddresses(domain, deps.dns);
  // Nobody named the host but the sender. Whether DNSSEC vouches for it, its addresses tell.
  if (found.kind === "addresses") return { kind: "hosts", hosts: [domain], secure: true };
  if (found.outcome.reply.enhanced !== "4.4.4") return found;
  return none("permanent", 550, "5.1.2", `The domain ${domain} has neither MX nor address records`);
}

/** By preference, equal ones shuffled (RFC 5321 section 5.1: "MUST randomize them to spread the load"). */
function inOrder<T extends { priority: number }>(records: readonly T[], random: () => number): T[] {
  return records
    .map((record) => ({ record, key: random() }))
    .sort((a, b) => a.record.priority - b.record.priority || a.key - b.key)
    .map(({ record }) => record);
}

function addressLiteral(domain: string): string | undefined {
  const inner = /^\[(?:ipv6:)?([^\]]+)\]$/i.exec(domain)?.[1];
  return inner !== undefined && isIP(inner) !== 0 ? inner : undefined;
}

function loop(domain: string): NoRoute {
  return none(
    "permanent",
    554,
    "5.4.6",
    `The MX of ${domain} is this server, which does not know the domain`,
  );
}

function none(...[kind, code, status, text]: ["permanent" | "temporary", number, string, string]): NoRoute {
  return { kind: "none", outcome: { kind, reply: reply(code, status, text) } };
}

function dnsCode(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "unknown";
}
