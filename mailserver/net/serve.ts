/** Listening: a connection each runs one server session. */
import { randomUUID } from "node:crypto";
import { createServer, type Server, type Socket } from "node:net";
import { clientNetwork } from "../policy/client-network.ts";
import * as replies from "../smtp/replies.ts";
import { formatReply } from "../smtp/reply-format.ts";
import { clientAddress, ServerConnection } from "./server-connection.ts";
import { serverContext } from "./tls.ts";
import type { MailListener, ServeOptions } from "./types.ts";

/** How many there are of each. */
class Tally {
  readonly #counts = new Map<string, number>();

  of(name: string): number {
    return this.#counts.get(name) ?? 0;
  }

  add(name: string): void {
    this.#counts.set(name, this.of(name) + 1);
  }

  remove(name: string): void {
    const left = this.of(name) - 1;
    if (left > 0) this.#counts.set(name, left);
    else this.#counts.delete(name);
  }
}

/** One more than allowed: told so, unless it waits for a TLS hand-shake. */
function turnAway(socket: Socket, options: ServeOptions): void {
  options.log.warn("net.refused", { client: socket.remoteAddress });
  socket.on("error", () => socket.destroy());
  if (options.tls?.implicit === true) socket.destroy();
  else socket.end(formatReply(replies.tooManyConnections), () => socket.destroy());
}

/** Starts listening; rejects with the system's error. */
async function listen(server: Server, { host, port }: ServeOptions["listen"]): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen({ port, ...(host === undefined ? {} : { host }) }, resolve);
  await promise;
  server.off("error", reject);
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : port;
}

/** Listens and runs a server session per connection. Rejects when the port can't be had. */
export async function serve(options: ServeOptions): Promise<MailListener> {
  const context = options.tls ? serverContext(options.tls) : undefined;
  const open = new Map<ServerConnection, Promise<void>>();
  const clients = new Tally();
  const { connections, connectionsPerClient = connections } = options.limits;
  const accept = (socket: Socket) => {
    const client = clientNetwork(clientAddress(socket));
    if (open.size >= connections || clients.of(client) >= connectionsPerClient)
      return turnAway(socket, options);
    const connection = new ServerConnection(socket, randomUUID().slice(0, 13), options, context);
    clients.add(client);
    const ended = connection.run().then(() => {
      open.delete(connection);
      clients.remove(client);
    });
    open.set(connection, ended);
  };
  // A client that closes its sending side after QUIT must still hear our replies.
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, accept);
  const port = await listen(server, options.listen);
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= stop(server, open, options.graceMs ?? 2_000);
    return closing;
  };
  options.signal?.addEventListener("abort", () => void close(), { once: true });
  return { port, connections: () => open.size, close };
}

async function stop(
  server: Server,
  open: ReadonlyMap<ServerConnection, Promise<void>>,
  graceMs: number,
): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  for (const connection of open.keys()) connection.shutdown();
  const timer = setTimeout(() => {
    for (const connection of open.keys()) connection.destroy();
  }, graceMs);
  await Promise.all([closed, ...open.values()]);
  clearTimeout(timer);
}
