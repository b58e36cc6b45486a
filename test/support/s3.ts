/** An S3-compatible store in memory: as much of it as restic asks for, path style, signatures not looked at. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";

export interface S3Store {
  readonly port: number;
  readonly keyId: string;
  /** The objects by `bucket/key`. */
  readonly objects: ReadonlyMap<string, Buffer>;
  close(): Promise<void>;
}

const KEY_ID = "AKIATEST";
const DATE = new Date("2026-01-01T00:00:00Z");

/** Listens on every address: containers find it at their gateway's. */
export async function startS3(): Promise<S3Store> {
  const objects = new Map<string, Buffer>();
  const server = createServer((request, response) => {
    answer(request, response, objects).catch((error: unknown) => {
      response.writeHead(500).end(String(error));
    });
  });
  server.listen(0, "0.0.0.0");
  await once(server, "listening");
  const close = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  };
  return { port: (server.address() as AddressInfo).port, keyId: KEY_ID, objects, close };
}

async function answer(request: IncomingMessage, response: ServerResponse, objects: Map<string, Buffer>) {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://s3");
  const name = decodeURIComponent(pathname.slice(1)).replace(/\/$/, "");
  const body = await buffer(request);
  if (!request.headers.authorization?.includes(`Credential=${KEY_ID}/`))
    return fail(response, 403, "AccessDenied");
  if (!name.includes("/")) return onBucket(name, searchParams, response, objects);
  const content = objects.get(name);
  switch (request.method) {
    case "PUT":
      objects.set(name, unchunked(request, body));
      return response.writeHead(200, { etag: etag(body) }).end();
    case "DELETE":
      objects.delete(name);
      return response.writeHead(204).end();
    default:
      if (!content) return fail(response, 404, "NoSuchKey");
      return hand(request, response, content);
  }
}

/** Over plain HTTP a client signs piece by piece: `SIZE;chunk-signature=…`, then as many bytes. */
function unchunked({ headers }: IncomingMessage, body: Buffer): Buffer {
  if (!String(headers["x-amz-content-sha256"]).startsWith("STREAMING-")) return body;
  const pieces: Buffer[] = [];
  for (let at = 0; at < body.length; ) {
    const end = body.indexOf("\r\n", at);
    const size = Number.parseInt(body.toString("latin1", at, end), 16);
    if (!(size > 0)) break;
    pieces.push(body.subarray(end + 2, end + 2 + size));
    at = end + 2 + size + 2;
  }
  return Buffer.concat(pieces);
}

function hand({ headers, method }: IncomingMessage, response: ServerResponse, content: Buffer) {
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? "") ?? [];
  const first = Number(from ?? 0);
  const last = to ? Math.min(Number(to), content.length - 1) : content.length - 1;
  const part = content.subarray(first, last + 1);
  response.writeHead(from === undefined ? 200 : 206, {
    ...{ etag: etag(content), "last-modified": DATE.toUTCString(), "content-length": part.length },
    ...{ "content-type": "application/octet-stream", "accept-ranges": "bytes" },
    ...(from === undefined ? {} : { "content-range": `bytes ${first}-${last}/${content.length}` }),
  });
  return method === "HEAD" ? response.end() : response.end(part);
}

function onBucket(
  bucket: string,
  query: URLSearchParams,
  response: ServerResponse,
  objects: ReadonlyMap<string, Buffer>,
) {
  if (query.has("location")) return xml(response, 200, "<LocationConstraint></LocationConstraint>");
  if (!query.has("prefix") && !query.has("list-type")) return response.writeHead(200).end();
  const prefix = query.get("prefix") ?? "";
  const found = [...objects].flatMap(([name, content]) => {
    const key = name.slice(bucket.length + 1);
    if (!name.startsWith(`${bucket}/`) || !key.startsWith(prefix)) return [];
    const about = `<LastModified>${DATE.toISOString()}</LastModified><ETag>${etag(content)}</ETag>`;
    return [`<Contents><Key>${key}</Key>${about}<Size>${content.length}</Size></Contents>`];
  });
  const head = `<Name>${bucket}</Name><Prefix>${prefix}</Prefix><KeyCount>${found.length}</KeyCount>`;
  const list = `${head}<IsTruncated>false</IsTruncated>${found.join("")}`;
  return xml(response, 200, `<ListBucketResult>${list}</ListBucketResult>`);
}

const etag = (content: Buffer): string => `"${createHash("md5").update(content).digest("hex")}"`;

const xml = (response: ServerResponse, status: number, text: string) =>
  response.writeHead(status, { "content-type": "application/xml" }).end(`<?xml version="1.0"?>${text}`);

const fail = (response: ServerResponse, status: number, code: string) =>
  xml(response, status, `<Error><Code>${code}</Code><Message>${code}</Message></Error>`);
