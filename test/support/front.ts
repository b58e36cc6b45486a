/** A front service for tests: whom the boxes under test let in. */
import { createServer, type Socket } from "node:net";
import { type TLSSocket, connect as tlsConnect } from "node:tls";
import { frontAuthority, frontIdentity } from "../../components/front-identity.ts";
import { doorContext } from "../../mailserver/net/tls.ts";

const SEED = "5e".repeat(32);

/** What a box is told of its front services. */
export const FRONT_CA = await frontAuthority(SEED);
export const FRONT = await frontIdentity(SEED, "test");

const context = doorContext(FRONT);

/** A connection to a port of a box, as a front service makes it. */
export function enter(place: { readonly host: string; readonly port: number }): TLSSocket {
  const socket = tlsConnect({ ...place, secureContext: context, rejectUnauthorized: false });
  return socket.setNoDelay(true);
}

/**
 * The same for programs that speak in clear text: a loopback port that leads to the box's. It keeps no process alive, and
 * is gone with it.
 */
export async function openDoor(place: { readonly host: string; readonly port: number }): Promise<number> {
  const server = createServer((near) => join(near, enter(place))).unref();
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.once("error", reject).listen(0, "127.0.0.1", () => {
    const address = server.address();
    if (address === null || typeof address === "string") reject(new Error("no port"));
    else resolve(address.port);
  });
  return promise;
}

/** What one says the other hears, to the end of either. */
function join(one: Socket, other: Socket): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.setNoDelay(true);
    from.on("error", () => to.destroy()).on("close", () => to.destroy());
    from.pipe(to);
  }
}
