/** Listening: a connection each runs one server session. */
import { randomUUID } from "node:crypto";
import { createServer, type Server, type Socket } from "node:net";
import { plainAddress } from "../policy/client-network.ts";
import { ConnectionShare } from "../policy/connection-share.ts";
import * as replies from "../smtp/replies.ts";
import { formatReply } from "../smtp/reply-format.ts";
import type { Reply } from "../smtp/types.ts";
import { describeReply } from "./consult.ts";
import { readProxyHeader } from "./proxy.ts";
import { ServerConnection } from "./server-connection.ts";
import { TurnEnd } from "./turn-end.ts";
import type { Gate, MailListener, ServeOptions } from "./types.ts";

/** Lets in as many as the limits allow. */
function gateOf(limits: ServeOptions["limits"]): Gate {
  const share = new ConnectionShare(limits);
  return {
    enter: (client) => (share.enter(client) ? undefined : replies.tooManyConnections),
    leave: (client) => share.leave(client),
    refused: () => {},
  };
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

/** Starts listening; rejects with the system's error. */
async function listen(
  server: Server,
  { host, port, shared = false }: ServeOptions["listen"],
): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(
    { port, exclusive: shared, reusePort: shared, ...(host === undefined ? {} : { host }) },
    resolve,
  );
  await promise;
  server.off("error", reject);
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : port;
}

/** Listens and runs a server session per connection. Rejects when the port can't be had. */
export async function serve(given: ServeOptions): Promise<MailListener> {
  const gate = given.gate ?? gateOf(given.limits);
  const options = { ...given, gate };
  let closing: Promise<void> | undefined;
  const turnEnd = new TurnEnd();
  const open = new Map<ServerConnection, Promise<void>>();
  /** Connections that are not let in yet: it is not known whom they are for, or whether there is room. */
  const arriving = new Set<Socket>();
  const admit = async (socket: Socket): Promise<void> => {
    const client = await clientOf(socket, options);
    if (client === undefined) return;
    const refusal = await gate.enter(client);
    if (refusal !== undefined) return turnAway(socket, client, refusal, options);
    if (socket.destroyed || closing !== undefined) {
      socket.destroy();
      gate.leave(client);
      return;
    }
    const info = { id: randomUUID().slice(0, 13), clientAddress: client };
    const connection = new ServerConnection(socket, info, options, turnEnd);
    const ended = connection.run().then(() => {
      open.delete(connection);
      gate.leave(client);
    });
    open.set(connection, ended);
  };
  const accept = async (socket: Socket): Promise<void> => {
    // Until a session listens: a client that resets its connection meanwhile is no fault of ours.
    const broken = (error: Error): void => options.log.debug("net.socket.error", { error });
    socket.on("error", broken);
    arriving.add(socket);
    try {
      await admit(socket);
    } catch (error) {
      options.log.error("net.gate.failed", { error });
      socket.destroy();
    } finally {
      arriving.delete(socket);
      socket.off("error", broken);
    }
  };
  // A client that closes its sending side after QUIT must still hear our replies.
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => void accept(socket));
  const port = await listen(server, options.listen);
  const close = (): Promise<void> => {
    for (const socket of arriving) socket.destroy();
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
