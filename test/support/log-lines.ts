/** What a container logs, as it comes. */
import { createInterface } from "node:readline";
import { PassThrough } from "node:stream";
import type { Handle, Lab } from "./docker.ts";

const PATIENCE_MS = 60_000;

/** The first line of a container's log, from its start on, that `wanted` says yes to. */
export async function untilLine(
  lab: Lab,
  handle: Pick<Handle, "id" | "logs">,
  wanted: (line: string) => boolean,
): Promise<string> {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), PATIENCE_MS);
  const log = { stdout: true, stderr: true, follow: true, abortSignal: stop.signal } as const;
  const stream = await lab.docker.getContainer(handle.id).logs(log);
  const text = new PassThrough();
  lab.docker.modem.demuxStream(stream, text, text);
  for (const event of ["close", "end", "error"]) stream.on(event, () => text.end());
  try {
    for await (const line of createInterface({ input: text })) if (wanted(line)) return line;
    throw new Error(`it was never logged:\n${await handle.logs()}`);
  } finally {
    clearTimeout(timer);
    stop.abort();
  }
}
