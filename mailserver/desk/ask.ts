/** Asks every worker of a daemon. */
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { connect } from "node:net";
import { basename, join } from "node:path";
import { text } from "node:stream/consumers";
import { DeskAnswer, type DeskRequest, merge, NOTHING } from "./words.ts";

const SUFFIX = ".sock";

/** How long a worker may say nothing before it counts as silent. A flush of a long queue takes its time. */
const patienceFor = ({ verb }: DeskRequest): number => (verb === "flush" ? 60_000 : 10_000);

/** Where a worker answers; `name` is unique in the daemon. */
export function deskSocket(folder: string, name: string): string {
  return join(folder, `${name}${SUFFIX}`);
}

/** All answers as one; a worker that does not answer is named in it. */
export async function askDesks(
  folder: string,
  request: DeskRequest,
  patienceMs = patienceFor(request),
): Promise<DeskAnswer> {
  const names = await readdir(folder).catch((): string[] => []);
  const sockets = names.filter((name) => name.endsWith(SUFFIX)).map((name) => join(folder, name));
  if (sockets.length === 0) return { ...NOTHING, silent: ["The daemon"] };
  const answers = await Promise.all(sockets.map((path) => ask(path, request, patienceMs)));
  return merge(answers, request.verb === "list" ? request.limit : undefined);
}

async function ask(path: string, request: DeskRequest, patienceMs: number): Promise<DeskAnswer> {
  try {
    const socket = connect(path);
    // One that hangs is often why the queue is looked at: what the others have is told.
    socket.setTimeout(patienceMs, () => socket.destroy(new Error("no answer in time")));
    await once(socket, "connect");
    socket.end(JSON.stringify(request));
    return DeskAnswer.parse(JSON.parse(await text(socket)));
  } catch {
    return { ...NOTHING, silent: [`The worker "${basename(path, SUFFIX)}"`] };
  }
}
