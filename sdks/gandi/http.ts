/** Requests to the API: the token, patience, and errors. Knows nothing of Pulumi. */

import { BlockList, isIP } from "node:net";
import { setTimeout } from "node:timers/promises";
import { ApiError, OversizeError, UnreachableError } from "./errors.ts";
import { createListings, createOnce, type Listings, type Once } from "./listing.ts";

/** How to reach LiveDNS. */
export interface Auth {
  apiUrl?: string;
  token?: string;
}

/** What the client needs of the world. */
export interface Deps {
  fetch: typeof fetch;
  sleep: (ms: number) => Promise<unknown>;
  /** 0 ≤ x < 1 */
  random: () => number;
  env: { [name: string]: string | undefined };
  now: () => Date;
  /** Tells whoever runs the update. */
  say: (text: string) => void;
  /** Shared by the clients of one process. */
  listings: Listings;
  once: Once;
}

// The global fetch keeps connections alive, for all clients of the process.
export const world: Deps = {
  ...{ fetch, sleep: (ms) => setTimeout(ms), random: Math.random, env: process.env },
  now: () => new Date(),
  say: (text) => console.log(text),
  // Whatever somebody does to the clock.
  listings: createListings(() => performance.now()),
  once: createOnce(),
};

const DEFAULT_URL = "https://api.gandi.net/v5/livedns";
const ATTEMPTS = 6;
/** Of a request and the whole of its answer. */
const TIMEOUT_MS = 30_000;
/** A page of the largest zones has a fraction of it. */
const MAX_BYTES = 16 * 2 ** 20;
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

/** How long to wait before attempt `n + 1`: exponential with jitter, or as long as the server asks for, if that is more. */
export function delayMs(n: number, retryAfter: string | null, random: number): number {
  const own = Math.min(FIRST_DELAY_MS * 2 ** (n - 1), MAX_DELAY_MS) * (0.5 + random / 2);
  // Of a date (RFC 9110 section 10.2.3) it is none.
  const asked = Number(retryAfter ?? 0) * 1000;
  return asked > own ? Math.min(asked, MAX_DELAY_MS) : own;
}

const isPassing = (status: number) => status === 429 || status >= 500;

/** Where requests go, with which token. Throws when there is none, or it would cross the Internet in clear. */
export function credentials(auth: Auth, { env }: Deps): Required<Auth> {
  const apiUrl = (auth.apiUrl ?? (env.GANDI_API_URL || DEFAULT_URL)).replace(/\/+$/, "");
  const fault = apiUrlFault(apiUrl);
  if (fault !== undefined) throw new Error(fault);
  const token = auth.token ?? env.GANDI_PERSONAL_ACCESS_TOKEN;
  if (!token)
    throw new Error("no token: set auth.token or GANDI_PERSONAL_ACCESS_TOKEN to a personal access token");
  return { apiUrl, token };
}

/** An answer that is a success. */
export interface Reply {
  readonly status: number;
  readonly text: string;
  /** How many times the request was sent. */
  readonly attempts: number;
  /** Of a list: how many items there are on all its pages; NaN when it isn't said. */
  readonly total: number;
}

/** Makes what sends requests, again while a failure is a passing one. It throws an ApiError or UnreachableError. */
export function requester({ apiUrl, token }: Required<Auth>, deps: Deps) {
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
      // Following it would carry the token to where nobody meant it to go.
      redirect: "manual",
    });
    // Reading the whole body frees the connection for the next request.
    return { response, text: await textOf(response) };
  }

  /** One attempt: its outcome, and whether the failure may pass. */
  async function attempt(n: number, ...args: Parameters<typeof once>) {
    try {
      const { response, text } = await once(...args);
      const total = Number.parseInt(response.headers.get("total-count") ?? "", 10);
      if (response.ok) return { text, status: response.status, total };
      // Some debugging proxies answer with what they were sent.
      const error = new ApiError(response.status, text.replaceAll(token, "…"), n);
      return { error, passing: isPassing(response.status), retryAfter: response.headers.get("retry-after") };
    } catch (error) {
      if (error instanceof OversizeError) return { error, passing: false, retryAfter: null };
      return { error: new UnreachableError(apiUrl, n, error), passing: true, retryAfter: null };
    }
  }

  return async function request(...args: Parameters<typeof once>): Promise<Reply> {
    for (let n = 1; ; n += 1) {
      const { text, status, total, error, passing, retryAfter } = await attempt(n, ...args);
      if (text !== undefined) return { text, status, total, attempts: n };
      if (!passing || n === ATTEMPTS) throw error;
      await deps.sleep(delayMs(n, retryAfter, deps.random()));
    }
  };
}

async function textOf(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > MAX_BYTES) throw new OversizeError(MAX_BYTES);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
