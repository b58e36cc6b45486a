/** Answers `access`, over HTTP as its Dovecot speaks it with an auth policy server: `POST /?command=allow` or `report`. */
import { hash, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { z } from "zod";
import type { AccessSettings } from "../contract.ts";
import {
  type AccessLogins,
  type AccessLoginsDeps,
  AccessQuestion,
  AccessReport,
  createAccessLogins,
} from "./access-logins.ts";

/** Longer than any login that Dovecot takes. */
const MAX_BODY = 64 * 1024;
const REQUEST_MS = 5_000;
/** Dovecot, whose connections are 100 at most, ends those that are idle after 10 seconds: never we, as it asks. */
const IDLE_MS = 15_000;
const CONNECTIONS = 200;

/** Listens when it resolves. */
export async function serveAccess(
  settings: AccessSettings,
  deps: AccessLoginsDeps,
): Promise<{ readonly port: number; close(): Promise<void> }> {
  const logins = createAccessLogins(deps);
  const isAccess = bearer(settings.secret);
  const server = createServer(
    { requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS, keepAliveTimeout: IDLE_MS },
    (request, response) => {
      if (!isAccess(request)) {
        deps.log.warn("access.question.refused", { client: request.socket.remoteAddress, code: 401 });
        return say(response, 401);
      }
      answer(request, response, logins).catch((error: unknown) => {
        deps.log.error("access.question.refused", { code: 400, error });
        say(response, 400);
      });
    },
  );
  server.maxConnections = CONNECTIONS;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject).listen(settings.port, settings.address, resolve);
  await promise;
  const bound = server.address();
  return {
    port: typeof bound === "object" && bound !== null ? bound.port : settings.port,
    close: () =>
      new Promise((closed) => {
        server.close(() => closed());
        server.closeAllConnections();
      }),
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  logins: AccessLogins,
): Promise<void> {
  if (request.url === "/?command=report") {
    await logins.report(await read(request, AccessReport));
    return say(response, 200, {});
  }
  if (request.url !== "/?command=allow") return say(response, 404);
  const question = await read(request, AccessQuestion);
  const allowed = await logins.allow(question);
  if (response.destroyed) return logins.forget(question.session_id);
  say(response, 200, allowed);
}

/** What is no more than it may be, and of that form; throws. */
async function read<T>(request: IncomingMessage, schema: z.ZodType<T>): Promise<T> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > MAX_BODY) throw new Error("the question is too long");
    pieces.push(piece);
  }
  return schema.parse(JSON.parse(Buffer.concat(pieces).toString()));
}

function say(response: ServerResponse, status: number, value?: unknown): void {
  // What was sent with a refused request is not read to its end.
  response.writeHead(
    status,
    status === 200 ? { "content-type": "application/json" } : { connection: "close" },
  );
  response.end(value === undefined ? undefined : JSON.stringify(value));
}

/** Hashes, because timingSafeEqual wants equal lengths. */
function bearer(secret: string): (request: IncomingMessage) => boolean {
  const digest = (text: string): Buffer => hash("sha256", text, "buffer");
  const wanted = digest(`Bearer ${secret}`);
  return ({ headers }) => timingSafeEqual(digest(headers.authorization ?? ""), wanted);
}
