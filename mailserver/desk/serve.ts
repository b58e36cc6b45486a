/** Answers questions about the queues of this process, on a Unix socket that only the daemon's own user can open. */
import { chmodSync, mkdirSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { dirname } from "node:path";
import { text } from "node:stream/consumers";
import type { Log } from "../net/log.ts";
import type { Clock } from "../queue/clock.ts";
import type { Queue } from "../queue/queue.ts";
import { type DeskAnswer, DeskRequest, merge, NOTHING } from "./words.ts";

export interface DeskOptions {
  /** Of the socket. What lies there is replaced: it is of this worker's predecessor. */
  readonly path: string;
  readonly queues: readonly Queue[];
  readonly clock: Clock;
  readonly log: Log;
}

/** Longer than any request. */
const MAX_REQUEST = 128 * 1024;
const PATIENCE_MS = 10_000;

/** Never rejects: mail flows without a desk too. */
export async function serveDesk(options: DeskOptions): Promise<{ close(): Promise<void> }> {
  const { path, log } = options;
  const open = new Set<Socket>();
  // The client ends its half to say that the question is complete.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    open.add(socket);
    socket.once("close", () => open.delete(socket));
    socket.on("error", () => {});
    serve(socket, options).catch((error: unknown) => {
      log.error("queue.desk.failed", { error });
      socket.destroy();
    });
  });
  server.on("error", (error) => log.error("queue.desk.failed", { error }));
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    rmSync(path, { force: true });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once("error", reject).listen(path, resolve);
    await promise;
    chmodSync(path, 0o600);
  } catch (error) {
    log.error("queue.desk.failed", { error });
  }
  return {
    close: async () => {
      for (const socket of open) socket.destroy();
      await new Promise<void>((closed) => void server.close(() => closed()));
    },
  };
}

async function serve(socket: Socket, options: DeskOptions): Promise<void> {
  socket.setTimeout(PATIENCE_MS, () => socket.destroy());
  let bytes = 0;
  socket.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > MAX_REQUEST) socket.destroy();
  });
  const request = DeskRequest.parse(JSON.parse(await text(socket)));
  // A flush of a long queue takes its time.
  socket.setTimeout(0);
  const answers = await Promise.all(options.queues.map((queue) => answer(request, queue, options)));
  socket.end(`${JSON.stringify(merge(answers))}\n`);
}

async function answer(request: DeskRequest, queue: Queue, { clock, log }: DeskOptions): Promise<DeskAnswer> {
  const at = clock.now();
  if (request.verb === "list")
    return { ...NOTHING, ...(await queue.list(request)), counts: await queue.census() };
  if (request.verb === "flush") {
    log.info("queue.desk", { verb: request.verb });
    return { ...NOTHING, flushed: (await queue.flush({ at })).recipients };
  }
  if (request.verb === "show") return show(request.ids, queue);
  const { verb, ids } = request;
  const managed = await Promise.all(
    ids.map(async (id) => ({ id, ...(await queue.manage({ verb, id, at })) })),
  );
  const found = managed.filter((each) => each.found);
  const changed = found.filter(({ unreadable }) => unreadable === undefined);
  for (const { id, recipients } of changed) log.info("queue.desk", { verb, item: id, recipients });
  return {
    ...NOTHING,
    found: Object.fromEntries(found.map(({ id, recipients }) => [id, recipients])),
    unreadable: Object.fromEntries(
      found.flatMap(({ id, unreadable }) => (unreadable ? [[id, [...unreadable]]] : [])),
    ),
  };
}

async function show(ids: readonly string[], queue: Queue): Promise<DeskAnswer> {
  const views = await Promise.all(ids.map((id) => queue.show(id)));
  const items = views.filter((view) => view !== undefined);
  const setAside = await queue.asides(ids);
  const found = [...items, ...setAside].map(({ id }) => [id, 0] as const);
  return { ...NOTHING, items, setAside, found: Object.fromEntries(found) };
}
