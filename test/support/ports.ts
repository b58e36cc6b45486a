/** Ports of loopback for what a test starts. */
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";

/**
 * Below 32768, where Linux begins to give ports to outgoing connections (ip_local_port_range): one of those may be
 * another connection's by the time that the server which it is meant for listens.
 */
const RANGE = { from: 15_000, to: 32_000 };

/** So many ports of loopback that nobody has right now, no two the same. */
export async function freePorts(count: number): Promise<number[]> {
  const found = new Set<number>();
  while (found.size < count) {
    const port = randomInt(RANGE.from, RANGE.to);
    if (await isFree(port)) found.add(port);
  }
  return [...found];
}

export async function freePort(): Promise<number> {
  const [port = 0] = await freePorts(1);
  return port;
}

/** Whether it is free for everything on the machine: a server may listen on all addresses. */
async function isFree(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const server = createServer().once("error", () => resolve(false));
    server.listen(port, "0.0.0.0", () => server.close(() => resolve(true)));
  });
}

/** Takes a port of 127.0.0.1 for as long as this process lives; false when another has it. */
export async function reservePort(port: number): Promise<boolean> {
  const server = createServer().unref();
  try {
    await once(server.listen(port, "127.0.0.1"), "listening");
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EADDRINUSE") return false;
    throw error;
  }
}
