/** LiveDNS's API in memory, which notes each call. For what is asked of it and in which order; Knot's is tools/livedns. */
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";

export interface RecordSet {
  readonly rrset_ttl: number;
  readonly rrset_values: readonly string[];
}

export interface FakeLiveDns {
  /** `…/v5/livedns` */
  readonly apiUrl: string;
  readonly token: string;
  /** `METHOD path` of each call so far, below the API's own path. */
  readonly calls: string[];
  /** `name/type` of each record set, by zone. */
  readonly zones: Map<string, Map<string, RecordSet>>;
  /** Snapshots by zone: what each holds. */
  readonly snapshots: { readonly zone: string; readonly name: string; readonly sets: number }[];
  /** Whether the token is good for a call; for each by default. */
  admits: (call: string) => boolean;
  close(): void;
}

const BASE = "/v5/livedns";

export async function startFakeLiveDns(zones: readonly string[]): Promise<FakeLiveDns> {
  const token = "0123456789abcdef";
  const held = new Map(zones.map((zone) => [zone, new Map<string, RecordSet>()]));
  const calls: string[] = [];
  const snapshots: { zone: string; name: string; sets: number }[] = [];
  const server = createServer(async (request, response) => {
    const path = decodeURIComponent((request.url ?? "").replace(BASE, ""));
    const call = `${request.method} ${path}`;
    calls.push(call);
    const [status, body] =
      request.headers.authorization === `Bearer ${token}` && fake.admits(call)
        ? answer(`${request.method}`, path, await bodyOf(request))
        : [401, failure(401, "HTTPUnauthorized", "who?")];
    response.writeHead(status, { "content-type": "application/json" });
    response.end(status === 204 ? undefined : JSON.stringify(body));
  });

  function answer(method: string, path: string, body: unknown): [status: number, body: unknown] {
    const [, , zone = "", what, name = "", type = ""] = path.replace(/\?.*/, "").split("/");
    const sets = held.get(zone);
    if (sets === undefined) return [404, failure(404, "LocalizedHTTPNotFound", "Unknown domain")];
    if (what === "snapshots") {
      snapshots.push({ zone, name: (body as { name: string }).name, sets: sets.size });
      return [201, { id: String(snapshots.length), message: "Snapshot Created" }];
    }
    if (name === "") return [200, [...sets].map(listed)];
    return change(sets, `${name}/${type}`, method, body as RecordSet);
  }

  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  const apiUrl = `http://127.0.0.1:${address.port}${BASE}`;
  const fake: FakeLiveDns = { apiUrl, token, calls, zones: held, snapshots, admits: () => true, close };
  return fake;
}

function listed([key, set]: [string, RecordSet]) {
  const [rrset_name, rrset_type] = key.split("/");
  return { rrset_name, rrset_type, ...set };
}

function change(
  sets: Map<string, RecordSet>,
  key: string,
  method: string,
  set: RecordSet,
): [status: number, body: unknown] {
  const known = sets.get(key);
  if (method === "GET")
    return known ? [200, listed([key, known])] : [404, failure(404, "dns-record", "none")];
  if (method === "DELETE") return sets.delete(key) ? [204, ""] : [404, failure(404, "dns-record", "none")];
  if (method === "POST" && known !== undefined)
    return JSON.stringify(known) === JSON.stringify(set)
      ? [200, { message: "A DNS Record already exists with same value" }]
      : [409, failure(409, "HTTPConflict", "A DNS Record already exists")];
  sets.set(key, set);
  return [201, { message: "DNS Record Created" }];
}

const failure = (code: number, object: string, message: string) => ({ code, object, message, cause: object });

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  let text = "";
  for await (const chunk of request) text += chunk;
  return text === "" ? undefined : JSON.parse(text);
}
