/** LiveDNS as a script: each request gets the next answer, whatever it asks for, and is written down. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { afterEach, beforeEach } from "node:test";
import * as crud from "../../sdks/gandi/crud.ts";
import type { Deps } from "../../sdks/gandi/http.ts";
import { createListings, createOnce } from "../../sdks/gandi/listing.ts";

export interface Answer {
  status: number;
  body?: unknown;
  headers?: { [name: string]: string };
  /** Closes the connection instead, or after half of the body. */
  drop?: boolean | "halfway";
}

export const token = "secret-token";
export const kept = { status: 201, body: { id: "1", message: "Snapshot Created" } };
export const unknownRecord = {
  status: 404,
  body: { code: 404, message: "Can't find it", object: "dns-record", cause: "Not Found" },
};
export const created = { status: 201, body: { message: "DNS Record Created" } };
/** A zone that has the record, and another one. */
export const held = (values: string[], ttl = 10_800, type = "TXT") => ({
  status: 200,
  body: [
    { rrset_name: "www", rrset_type: "TXT", rrset_ttl: 300, rrset_values: ["x"] },
    { rrset_name: "@", rrset_type: type, rrset_ttl: ttl, rrset_values: values },
  ],
});
/** The answer of one who was asked for a record set alone. */
export const recordOf = (values: string[], ttl = 10_800): Answer => ({
  status: 200,
  body: { rrset_ttl: ttl, rrset_values: values },
});
export const zoneOf = (...sets: readonly [string, string][]): Answer => ({
  status: 200,
  body: sets.map(([rrset_name, rrset_type]) => ({
    ...{ rrset_name, rrset_type, rrset_ttl: 300, rrset_values: ["x"] },
  })),
});
export const failing = (status: number, message: string) => ({
  status,
  body: { code: status, message, object: "x", cause: "y" },
});

export const path = "/v5/livedns/domains/example.org/records/@/TXT";
export const SNAPSHOT = "POST /v5/livedns/domains/example.org/snapshots";
export const LISTING = "GET /v5/livedns/domains/example.org/records?page=1&per_page=500";

/** Begins anew for each test of the file. */
export interface ScriptedLiveDns {
  script: Answer[];
  requests: { line: string; body: string; authorization: string | undefined }[];
  sockets: Set<unknown>;
  /** Milliseconds of each pause between attempts. */
  slept: number[];
  said: string[];
  deps: Deps;
  /** What the client takes for the time. */
  now: number;
  /** Checked inputs of a record of this API, without a snapshot. */
  props: { [key: string]: unknown };
  /** `METHOD path` of each request. */
  lines(): string[];
}

/** Call it at the top of a test file. */
export function scriptedLiveDns(): ScriptedLiveDns {
  const api = { lines: () => api.requests.map(({ line }) => line) } as ScriptedLiveDns;
  let close: () => void;
  beforeEach(async () => {
    const { port, ...opened } = await listen(api);
    close = opened.close;
    Object.assign(api, { script: [], requests: [], sockets: new Set(), slept: [], said: [], now: 0 });
    api.deps = {
      fetch,
      sleep: async (ms) => void api.slept.push(ms),
      random: () => 1,
      env: {},
      now: () => new Date(api.now),
      say: (text) => void api.said.push(text),
      listings: createListings(() => api.now),
      once: createOnce(),
    };
    const wanted = {
      ...{ zone: "example.org", name: "@", type: "TXT", values: ["v=spf1 mx -all"] },
      snapshot: false,
      auth: { apiUrl: `http://127.0.0.1:${port}/v5/livedns/`, token },
    };
    api.props = (await crud.check({}, wanted)).inputs;
  });
  afterEach(() => close());
  return api;
}

async function listen(api: ScriptedLiveDns): Promise<{ port: number; close: () => void }> {
  const server = createServer(async (request, response) => {
    api.sockets.add(request.socket);
    const body = await textOf(request);
    const { authorization } = request.headers;
    api.requests.push({ line: `${request.method} ${request.url}`, body, authorization });
    answer(api.script.shift() ?? failing(500, "the script is at its end"), response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert.ok(address && typeof address === "object");
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { port: address.port, close };
}

function answer({ status, body = "", headers, drop }: Answer, response: ServerResponse): void {
  if (drop === true) return void response.destroy();
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const length = { "content-length": String(Buffer.byteLength(text)) };
  response.writeHead(status, { "content-type": "application/json", ...(drop ? length : {}), ...headers });
  if (drop === "halfway") response.write(text.slice(0, text.length / 2), () => response.destroy());
  else response.end(text);
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of request) text += chunk;
  return text;
}
