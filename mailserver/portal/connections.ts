/** What strangers may hold of the portal's memory. Measured: with these numbers they stay within its limit, whatever they send. */
import type { RequestListener } from "node:http";
import type { Server } from "node:https";
import type { Socket } from "node:net";
import { plainAddress } from "../policy/client-network.ts";
import { ConnectionShare } from "../policy/connection-share.ts";
import { Portions } from "./portions.ts";

/** A browser has six at most, for a few seconds: ten people behind one address (NAT) find room at the same time. */
export const CONNECTIONS = { connections: 300, connectionsPerClient: 60 };
/** Requests under way on one connection. Browsers and other mail servers wait for each answer. */
export const AT_ONCE = 4;

/** Turns away who has their share. Heard before the server does, so that no hand-shake begins. */
export function shareConnections(server: Server): void {
  const share = new ConnectionShare(CONNECTIONS);
  server.prependListener("connection", (socket: Socket) => {
    const client = plainAddress(socket.remoteAddress);
    if (share.enter(client)) socket.once("close", () => share.leave(client));
    else socket.destroy();
  });
}

/** Node.js makes requests of all the bytes that it is given at once, 64 KiB: thousands on each connection, before anybody can refuse one. */
export function readInPortions(server: Server): void {
  const [serve] = server.listeners("secureConnection");
  if (serve === undefined) throw new Error("the server serves no connections");
  server.removeAllListeners("secureConnection");
  server.on("secureConnection", (socket: Socket) => serve.call(server, new Portions(socket)));
}

/** Ends a connection with more requests under way than one may have; a client has to be ready for that (RFC 9112 section 9.3.2). */
export function fewAtOnce(listener: RequestListener): RequestListener {
  const underWay = new WeakMap<Socket, number>();
  return (request, response) => {
    const { socket } = request;
    const before = underWay.get(socket) ?? 0;
    if (before >= AT_ONCE) return void socket.destroy();
    underWay.set(socket, before + 1);
    response.once("close", () => underWay.set(socket, (underWay.get(socket) ?? 1) - 1));
    listener(request, response);
  };
}
