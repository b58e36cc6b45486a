/** Listening: a connection each runs one server session. */
import { randomUUID } from "node:crypto";
import { createServer, type Server, type Socket } from "node:net";
import { clientNetwork } from "../policy/client-network.ts";
import * as replies from "../smtp/replies.ts";
import { formatReply } from "../smtp/reply-format.ts";
import type { Reply } from "../smtp/types.ts";
import { describeReply } from "./consult.ts";
import { readProxyHeader } from "./proxy.ts";
import { ServerConnection } from "./server-connection.ts";
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
function turnAway(socket: Socket, client: string, reply: Reply, options: ServeOptions): void {
  options.log.warn("net.refused", { client, ...describeReply(reply) });
  socket.on("error", () => socket.destroy());
  if (options.tls?.implicit === true) socket.destroy();
  else socket.end(formatReply(reply), () => socket.destroy());
}

/** The address of the peer, or the one that it tells when it is a load balancer; undefined when it tells none. */
async function clientOf(socket: Socket, { isProxy, log }: ServeOptions): Promise<string | undefined> {
  const peer = plainAddress(socket.remoteAddress);
  if (isProxy?.(peer) !== true) return peer;
  try {
    return (await readProxyHeader(socket)) ?? peer;
  } catch (error) {
    log.warn("net.proxy.failed", { peer, error });
    socket.destroy();
    return undefined;
  }
}

const plainAddress = (address = ""): string => address.replace(/^::ffff:/i, "");

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
  let closing: Promise<void> | undefined;
  const open = new Map<ServerConnection, Promise<void>>();
  const networks = new Tally();
  const { connections, connectionsPerClient = connections } = options.limits;
  const admit = (socket: Socket, client: string): void => {
    const network = clientNetwork(client);
    const full = open.size >= connections || networks.of(network) >= connectionsPerClient;
    const refusal = full ? replies.tooManyConnections : options.gate?.enter(client);
    if (refusal !== undefined) {
      turnAway(socket, client, refusal, options);
      return;
    }
    const info = { id: randomUUID().slice(0, 13), clientAddress: client };
    const connection = new ServerConnection(socket, info, options, context);
    networks.add(network);
    const ended = connection.run().then(() => {
      open.delete(connection);
      networks.remove(network);
      options.gate?.leave(client);
    });
    open.set(connection, ended);
  };
  /** Load balancers' connections that have not said yet whom they are for. */
  const unnamed = new Set<Socket>();
  const accept = async (socket: Socket): Promise<void> => {
    unnamed.add(socket);
    const client = await clientOf(socket, options);
    unnamed.delete(socket);
    if (client !== undefined) admit(socket, client);
  };
  // A client that closes its sending side after QUIT must still hear our replies.
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => void accept(socket));
  const port = await listen(server, options.listen);
  const close = (): Promise<void> => {
    for (const socket of unnamed) socket.destroy();
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
