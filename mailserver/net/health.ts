/** `/healthz` for the container's health check, and `/metrics` for Prometheus. */
import { createServer, type ServerResponse } from "node:http";

export interface HealthOptions {
  /** 0 takes any. */
  readonly port: number;
  readonly healthy: () => boolean;
  /** The page `/metrics` and its type; absent: there is none. */
  readonly metrics?: { readonly contentType: string; read(): Promise<string> };
  /** Another address that is listened at, beside loopback. */
  readonly address?: string | undefined;
}

const LOOPBACK = "127.0.0.1";

/** Serves `/healthz`, which answers 200 while `healthy()` is true, else 503, and `/metrics`. */
export async function serveHealth(
  options: HealthOptions,
): Promise<{ readonly port: number; close(): Promise<void> }> {
  const first = await listen(LOOPBACK, options.port, options);
  const { address } = options;
  const all = [first, ...(address === undefined ? [] : [await listen(address, first.port, options)])];
  return { port: first.port, close: async () => void (await Promise.all(all.map((one) => one.close()))) };
}

async function listen(host: string, port: number, options: HealthOptions) {
  const server = createServer((request, response) => {
    answer(request.url ?? "", response, options).catch(() => response.destroy());
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject).listen(port, host, resolve);
  await promise;
  const bound = server.address();
  return {
    port: typeof bound === "object" && bound !== null ? bound.port : port,
    close: (): Promise<void> =>
      new Promise((closed) => {
        server.close(() => closed());
        server.closeAllConnections();
      }),
  };
}

async function answer(
  url: string,
  response: ServerResponse,
  { healthy, metrics }: HealthOptions,
): Promise<void> {
  const say = (status: number, text: string, type = "text/plain"): void => {
    response.writeHead(status, { "content-type": type, connection: "close" });
    response.end(text);
  };
  if (url === "/healthz") return healthy() ? say(200, "ok\n") : say(503, "not ok\n");
  if (url !== "/metrics" || metrics === undefined) return say(404, "not found\n");
  say(200, await metrics.read(), metrics.contentType);
}
