/** Where relayed mail ends: a sink that counts, one that never says a word, and the DNS that leads there. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { type Answer, decode, encode } from "dns-packet";
import type { Handle } from "../../test/support/docker.ts";

/** The domain that all mail is for. */
export const DOMAIN = "sink.test";
const HOST = `mx.${DOMAIN}`;
const READY_MS = 60_000;

export interface Receiver extends AsyncDisposable {
  readonly port: number;
}

/** Takes connections and never greets: what is sent to it stays queued. */
export async function openSilent(port: number): Promise<Receiver> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).on("close", () => sockets.delete(socket));
  }).listen(port, "127.0.0.1");
  await once(server, "listening");
  const close = async (): Promise<void> => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return { port, [Symbol.asyncDispose]: close };
}

/** smtp-sink of Debian's postfix, for as long as the container runs; settles once it answers. */
export async function openSink(tools: Handle, port: number): Promise<void> {
  const ended = tools.exec(["smtp-sink", "-u", "postfix", `127.0.0.1:${port}`, "256"]);
  const failed = ended.then(({ stderr, stdout }) =>
    Promise.reject(new Error(`smtp-sink: ${stderr}${stdout}`)),
  );
  // Later, when it is ended with its container, nobody asks any more.
  failed.catch(() => {});
  await Promise.race([listens(port), failed]);
}

/** Waits until somebody takes connections there. */
export async function listens(port: number): Promise<void> {
  for (const deadline = Date.now() + READY_MS; ; await sleep(20)) {
    const socket = connect(port, "127.0.0.1");
    try {
      await once(socket, "connect");
      return;
    } catch (error) {
      if (Date.now() > deadline) throw new Error(`nobody listens at ${port}`, { cause: error });
    } finally {
      socket.destroy();
    }
  }
}

const RECORDS: readonly Answer[] = [
  { type: "MX", name: DOMAIN, ttl: 300, data: { preference: 10, exchange: HOST } },
  { type: "A", name: HOST, ttl: 300, data: "127.0.0.1" },
];
/** So that an answer that there is nothing is remembered, too. */
const ORIGIN: Answer = {
  type: "SOA",
  name: DOMAIN,
  ttl: 300,
  data: {
    mname: HOST,
    rname: `admin.${DOMAIN}`,
    serial: 1,
    refresh: 300,
    retry: 300,
    expire: 300,
    minimum: 300,
  },
};

/** Knows the way to the receiver and nothing else; without DNSSEC. */
export async function openDns(): Promise<Receiver> {
  const server = createSocket("udp4");
  server.on("message", (message, { port, address }) => {
    const { id, questions = [] } = decode(message);
    const [question] = questions;
    const name = question?.name.toLowerCase();
    const answers = RECORDS.filter((record) => record.type === question?.type && record.name === name);
    const authorities = answers.length > 0 ? [] : [ORIGIN];
    server.send(
      encode({ type: "response", ...(id !== undefined && { id }), questions, answers, authorities }),
      ...[port, address],
    );
  });
  server.bind(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: server.address().port,
    [Symbol.asyncDispose]: async () => void server.close(),
  };
}
