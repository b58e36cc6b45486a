/** `/healthz` on loopback, for the container's health check. */
import { createServer } from "node:http";

/** Serves `/healthz` on 127.0.0.1: 200 while `healthy()` is true, else 503. Port 0 takes any. */
export async function serveHealth(options: {
  readonly port: number;
  readonly healthy: () => boolean;
}): Promise<{ readonly port: number; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    const known = request.url === "/healthz";
    const status = !known ? 404 : options.healthy() ? 200 : 503;
    response.writeHead(status, { "content-type": "text/plain", connection: "close" });
    response.end(status === 200 ? "ok\n" : "not ok\n");
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject).listen(options.port, "127.0.0.1", resolve);
  await promise;
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : options.port;
  const close = (): Promise<void> =>
    new Promise((closed) => {
      server.close(() => closed());
      server.closeAllConnections();
    });
  return { port, close };
}
