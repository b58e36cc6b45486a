/** The parts of the LiveDNS v5 API that this package uses, https://api.gandi.net/docs/livedns/. Knows nothing of Pulumi. */

import { BlockList, isIP } from "node:net";
import { setTimeout } from "node:timers/promises";
import { z } from "zod";
import { ApiError, UnreachableError } from "./errors.ts";
import { createListings, type Listings } from "./listing.ts";

/** How to reach LiveDNS. */
export interface Auth {
  apiUrl?: string;
  token?: string;
}

/** A record set as LiveDNS has it. */
export const RecordSet = z.object({ rrset_ttl: z.int(), rrset_values: z.array(z.string()) });
export type RecordSet = z.infer<typeof RecordSet>;

const NamedSet = RecordSet.extend({ rrset_name: z.string(), rrset_type: z.string() });
export type NamedSet = z.infer<typeof NamedSet>;
const PER_PAGE = 500;

const Domain = z.object({ fqdn: z.string() });
const Nameservers = z.array(z.string());

/** What the client needs of the world. */
export interface Deps {
  fetch: typeof fetch;
  sleep: (ms: number) => Promise<unknown>;
  /** 0 ≤ x < 1 */
  random: () => number;
  env: { [name: string]: string | undefined };
  /** Shared by the clients of one process. */
  listings: Listings;
}

// The global fetch keeps connections alive, for all clients of the process.
const world: Deps = {
  ...{ fetch, sleep: (ms) => setTimeout(ms), random: Math.random, env: process.env },
  listings: createListings(Date.now),
};

const DEFAULT_URL = "https://api.gandi.net/v5/livedns";
const ATTEMPTS = 6;
const TIMEOUT_MS = 30_000;
const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 60_000;

const nearby = new BlockList();
nearby.addSubnet("127.0.0.0", 8);
nearby.addSubnet("10.0.0.0", 8);
nearby.addSubnet("172.16.0.0", 12);
nearby.addSubnet("192.168.0.0", 16);
nearby.addAddress("::1", "ipv6");
nearby.addSubnet("fc00::", 7, "ipv6");

/** Why `apiUrl` won't do, if so: a token must not cross the Internet in clear. */
export function apiUrlFault(apiUrl: string): string | undefined {
  if (!URL.canParse(apiUrl)) return `auth.apiUrl is no URL: ${apiUrl}`;
  const { protocol, hostname } = new URL(apiUrl);
  if (protocol === "https:") return undefined;
  const host = hostname.replace(/^\[|\]$/g, "");
  const family = isIP(host) === 6 ? "ipv6" : "ipv4";
  const near = host === "localhost" || (isIP(host) !== 0 && nearby.check(host, family));
  if (protocol === "http:" && near) return undefined;
  return `auth.apiUrl would send the token in clear: use https, or http to a loopback or private address`;
}

/** How long to wait before attempt `n + 1`: what the server asks for, else exponential with jitter. */
export function delayMs(n: number, retryAfter: string | null, random: number): number {
  const asked = Number(retryAfter);
  if (retryAfter !== null && asked >= 0) return Math.min(asked * 1000, MAX_DELAY_MS);
  return Math.min(FIRST_DELAY_MS * 2 ** (n - 1), MAX_DELAY_MS) * (0.5 + random / 2);
}

const isPassing = (status: number) => status === 429 || status >= 500;

/** A path segment. `@` and `*` are left as they are, as in LiveDNS's own documentation. */
const segment = (text: string) => encodeURIComponent(text).replaceAll("%40", "@");

/** The key of a record set. */
export interface Key {
  zone: string;
  name: string;
  type: string;
}

const pathOf = ({ zone, name, type }: Key) =>
  `/domains/${segment(zone)}/records/${segment(name)}/${segment(type)}`;

function credentials(auth: Auth, { env }: Deps) {
  const apiUrl = (auth.apiUrl ?? DEFAULT_URL).replace(/\/+$/, "");
  const fault = apiUrlFault(apiUrl);
  if (fault !== undefined) throw new Error(fault);
  const token = auth.token ?? env.GANDI_PERSONAL_ACCESS_TOKEN;
  if (!token)
    throw new Error("no token: set auth.token or GANDI_PERSONAL_ACCESS_TOKEN to a personal access token");
  return { apiUrl, token };
}

/** A client for one API and token. */
export function connect(auth: Auth, deps: Deps = world) {
  const { apiUrl, token } = credentials(auth, deps);

  async function once(method: string, path: string, body?: object) {
    const response = await deps.fetch(apiUrl + path, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        accept: "application/json",
        "content-type": "application/json",
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
      // A redirect would carry the token to where nobody meant it to go.
      redirect: "error",
    });
    // Reading the whole body frees the connection for the next request.
    return { response, text: await response.text() };
  }

  /** One attempt: its outcome, and whether the failure may pass. */
  async function attempt(n: number, ...args: Parameters<typeof once>) {
    try {
      const { response, text } = await once(...args);
      if (response.ok) return { text };
      const error = new ApiError(response.status, text, n);
      return { error, passing: isPassing(response.status), retryAfter: response.headers.get("retry-after") };
    } catch (error) {
      return { error: new UnreachableError(apiUrl, n, error), passing: true, retryAfter: null };
    }
  }

  /** Sends a request, again while the failure is a passing one. */
  async function request(...args: Parameters<typeof once>): Promise<string> {
    for (let n = 1; ; n += 1) {
      const { text, error, passing, retryAfter } = await attempt(n, ...args);
      if (text !== undefined) return text;
      if (!passing || n === ATTEMPTS) throw error;
      await deps.sleep(delayMs(n, retryAfter, deps.random()));
    }
  }

  async function get<T>(path: string, schema: z.ZodType<T>): Promise<T> {
    const parsed = schema.safeParse(parseJson(await request("GET", path)));
    if (!parsed.success) throw new Error(`${apiUrl} does not answer as LiveDNS does: check auth.apiUrl`);
    return parsed.data;
  }

  async function records(zone: string): Promise<NamedSet[]> {
    const sets: NamedSet[] = [];
    for (let page = 1; ; page += 1) {
      const path = `/domains/${segment(zone)}/records?page=${page}&per_page=${PER_PAGE}`;
      const found = await get(path, z.array(NamedSet));
      sets.push(...found);
      if (found.length < PER_PAGE) return sets;
    }
  }

  return {
    /** The domain's zone; 404 when there is none. */
    domain: (fqdn: string) => get(`/domains/${segment(fqdn)}`, Domain),
    nameservers: (fqdn: string) => get(`/domains/${segment(fqdn)}/nameservers`, Nameservers),
    /** A record set; undefined when the zone has none such. An unknown zone is an error all the same. */
    async record(key: Key): Promise<RecordSet | undefined> {
      try {
        return await get(pathOf(key), RecordSet);
      } catch (error) {
        if (!(error instanceof ApiError && error.status === 404)) throw error;
        // A token that can't see the zone gets 404, too: only the zone's presence makes the record's absence certain.
        if (error.object !== "dns-record") await get(`/domains/${segment(key.zone)}`, Domain);
        return undefined;
      }
    },
    /** All record sets of a zone. */
    records,
    /** Whether the zone has such a record set, or had when it was last listed, some seconds ago. */
    async has({ zone, name, type }: Key): Promise<boolean> {
      const sets = await deps.listings.remember(`${apiUrl} ${token} ${zone}`, () => records(zone));
      return sets.some(({ rrset_name, rrset_type }) => rrset_name === name && rrset_type === type);
    },
    /** Makes a record set; 409 when it exists. */
    async create(key: Key, body: RecordSet): Promise<void> {
      await request("POST", pathOf(key), body);
    },
    /** Makes or overwrites a record set. */
    async replace(key: Key, body: RecordSet): Promise<void> {
      await request("PUT", pathOf(key), body);
    },
    /** Removes a record set; one that isn't there is fine. */
    async remove(key: Key): Promise<void> {
      try {
        await request("DELETE", pathOf(key));
      } catch (error) {
        if (!(error instanceof ApiError && error.status === 404)) throw error;
      }
    },
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
