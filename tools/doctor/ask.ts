/** Asks name servers and resolvers. What they say is for others to judge. */
import { isIP, isIPv6 } from "node:net";
import type { RecordType } from "dns-packet";
import {
  DnsError,
  type DnsMessage,
  type DnsServer,
  exchange,
  NO_IPV6,
} from "../../mailserver/dns/exchange.ts";
import { Turns } from "../../mailserver/net/turns.ts";
import type { Ask } from "../../stacks/dns/spf.ts";
import { readValues } from "./rdata.ts";
import { type Answer, fullName, type ServerState, type Wanted, type ZoneState } from "./types.ts";

/** Of each of the two tries of a question. */
const TIMEOUT_MS = 700;
const TRIES = 2;
/** Questions that a server is asked at a time. */
const AT_ONCE = 32;

/** A server and what is told of it. */
export interface Source {
  readonly label: string;
  readonly kind: Answer["kind"];
  readonly server: DnsServer;
  /** The zone that it is to know; undefined: it is to find everything. */
  readonly zone?: string | undefined;
}

type Query = (server: DnsServer, name: string, type: string) => Promise<DnsMessage>;

/** Asks twice; a lost packet is no silence. After `deadline` (as `now` tells time) nobody is asked any more. */
export function createQuery(now: () => number, deadline = Number.POSITIVE_INFINITY): Query {
  const turns = new Turns(() => AT_ONCE);
  return async (server, name, type) => {
    const done = await turns.take(`${server.host} ${server.port}`);
    try {
      const question = { name, type: type as RecordType };
      for (let again = TRIES - 1; ; again -= 1) {
        try {
          const left = deadline - now();
          if (left <= 0) throw new DnsError("ETIMEOUT", `${type} ${name}`);
          return await exchange(server, question, Math.min(TIMEOUT_MS, left));
        } catch (error) {
          if (again === 0 || !(error instanceof DnsError) || error.code !== "ETIMEOUT") throw error;
        }
      }
    } finally {
      done?.();
    }
  };
}

const codeOf = (error: unknown): string =>
  error instanceof DnsError ? error.code : error instanceof Error ? error.message : String(error);

/** The name servers of a zone, as a resolver tells them: each address of each. */
export async function findNameServers(
  zone: string,
  resolvers: readonly Source[],
  query: Query,
): Promise<{ state: ZoneState; sources: Source[] }> {
  let fault: ZoneState["fault"] = { absent: false, text: "there is no resolver to ask" };
  for (const { server } of resolvers) {
    try {
      const names = await nameServersOf(zone, server, query);
      if (names.length > 0)
        return { state: { zone }, sources: await withAddresses(zone, names, server, query) };
      fault = { absent: true, text: "no name server is named for it" };
    } catch (error) {
      fault = { absent: false, text: codeOf(error) };
    }
  }
  return { state: { zone, fault }, sources: [] };
}

/** Those of the domain, or of the zone that it is in. */
async function nameServersOf(domain: string, server: DnsServer, query: Query): Promise<string[]> {
  const read = async (name: string) => {
    const message = await query(server, name, "NS");
    if (!["NOERROR", "NXDOMAIN"].includes(message.rcode)) throw new Error(message.rcode);
    return message;
  };
  const message = await read(domain);
  const { values } = readValues(message, { name: domain, type: "NS" });
  if (values.length > 0) return values;
  // RFC 2308 section 2: the SOA record of a negative answer says which zone it is.
  const apex = message.authorities.find(({ type }) => type === "SOA")?.name.toLowerCase();
  if (message.rcode !== "NOERROR" || !apex || !domain.endsWith(`.${apex}`)) return [];
  return readValues(await read(apex), { name: apex, type: "NS" }).values;
}

async function withAddresses(
  zone: string,
  names: string[],
  server: DnsServer,
  query: Query,
): Promise<Source[]> {
  const found = await Promise.all(
    names.map(async (name): Promise<Source[]> => {
      const found = await Promise.all(
        ["A", "AAAA"].map(async (type) => {
          const message = await query(server, name, type).catch(() => undefined);
          return readValues(message ?? { answers: [] }, { name, type }).values;
        }),
      );
      return found.flat().map((host) => ({
        ...{ label: `${name.replace(/\.$/, "")} (${host})`, kind: "authority", zone },
        server: { host, port: 53 },
      }));
    }),
  );
  return found.flat();
}

/** Whether a server answers, and knows what it is to know; a resolver is asked about `domain`. */
export async function probe(source: Source, domain: string, query: Query): Promise<ServerState> {
  const { kind, label, zone, server } = source;
  const state = { source: label, kind, zone };
  const noWay = (code: string): boolean => isIPv6(server.host) && NO_IPV6.has(code);
  try {
    const { rcode, flag_aa } = await query(server, zone ?? domain, "SOA");
    const lame = zone !== undefined && (rcode === "REFUSED" || rcode === "SERVFAIL" || !flag_aa);
    const text = rcode === "NOERROR" || rcode === "NXDOMAIN" ? "not authoritative" : rcode;
    return lame ? { ...state, fault: { silent: false, text } } : state;
  } catch (error) {
    const text = codeOf(error);
    return { ...state, fault: { silent: true, text, ...(noWay(text) ? { noWay: true } : {}) } };
  }
}

/** What a server says of a record set. */
export async function askRecord(
  source: Source,
  wanted: Pick<Wanted, "zone" | "name" | "type">,
  query: Query,
): Promise<Answer> {
  const { zone, name, type } = wanted;
  const asked = { source: source.label, kind: source.kind, zone, name, type };
  const full = fullName(wanted);
  try {
    const message = await query(source.server, full, type);
    const known = message.rcode === "NOERROR" || message.rcode === "NXDOMAIN";
    if (!known) return { ...asked, values: undefined, fault: message.rcode };
    const read = readValues(message, { name: full, type });
    const doubled =
      read.values.length === 0 && source.kind === "authority" && (await isDoubled(source, wanted, query));
    return { ...asked, ...read, ...(doubled ? { doubled } : {}), secure: message.flag_ad };
  } catch (error) {
    return { ...asked, values: undefined, fault: codeOf(error) };
  }
}

/** Many pages append the zone to a name by themselves, and who enters it in full has it twice. */
async function isDoubled(
  { server }: Source,
  wanted: Pick<Wanted, "zone" | "name" | "type">,
  query: Query,
): Promise<boolean> {
  const { zone, type } = wanted;
  const isThere = async (name: string): Promise<boolean> =>
    readValues(await query(server, name, type), { name, type }).values.length > 0;
  // Where any name is answered (RFC 4592), nobody entered this one.
  return (await isThere(`${fullName(wanted)}.${zone}`)) && !(await isThere(`${NOBODYS}.${zone}`));
}

const NOBODYS = "semail-doctor-asks-for-nobody";

/** For the evaluation of SPF and of consent to reports: undefined where there was no answer. */
export function askThrough({ server }: Source, query: Query): Ask {
  return async (name, type) => {
    const once = async (of: string): Promise<readonly string[] | undefined> => {
      const message = await query(server, name, of).catch(() => undefined);
      if (message === undefined || !["NOERROR", "NXDOMAIN"].includes(message.rcode)) return undefined;
      return readValues(message, { name, type: of }).values;
    };
    // A resolver that has much to do answers SERVFAIL now and then: that is nothing to tell of.
    const look = async (of: string) => (await once(of)) ?? once(of);
    const found = await look(type);
    return type === "A" && found?.length === 0 ? await look("AAAA") : found;
  };
}

/** Names that an address has, dots at their ends left off. */
export async function reverse(
  address: string,
  { server }: Source,
  query: Query,
): Promise<string[] | undefined> {
  const name = reverseName(address);
  if (name === undefined) return undefined;
  const message = await query(server, name, "PTR").catch(() => undefined);
  if (message === undefined || !["NOERROR", "NXDOMAIN"].includes(message.rcode)) return undefined;
  return readValues(message, { name, type: "PTR" }).values.map((value) =>
    value.toLowerCase().replace(/\.$/, ""),
  );
}

/** Where the names of an address are: RFC 1035 section 3.5, RFC 3596 section 2.5. Undefined: it is none. */
export function reverseName(address: string): string | undefined {
  const kind = isIP(address);
  if (kind === 4) return `${address.split(".").reverse().join(".")}.in-addr.arpa`;
  if (kind !== 6) return undefined;
  // In full, and without an IPv4 address at its end.
  const [head = "", tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split("::");
  const groups = (text: string | undefined): string[] => (text ? text.split(":") : []);
  const [first, last] = [groups(head), groups(tail)];
  const zeros = Array.from({ length: 8 - first.length - last.length }, () => "0");
  const digits = [...first, ...zeros, ...last].map((group) => group.padStart(4, "0")).join("");
  return `${[...digits].reverse().join(".")}.ip6.arpa`;
}
