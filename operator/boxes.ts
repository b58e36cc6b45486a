/** A person's container, asked directly: is it ready, start it anew, what did it say. */
import { setTimeout as sleep } from "node:timers/promises";
import { MAX_LOG, type UsageView } from "../mailserver/operator/protocol.ts";
import { ANSWER_MS, type AskEngine, EngineError, whole } from "./engine-client.ts";

export interface Boxes {
  /** Resolves when the box answers; throws when it doesn't within the time. */
  ready(uid: string): Promise<void>;
  restart(uid: string): Promise<void>;
  /** By what Dovecot counts. */
  usage(uid: string): Promise<UsageView>;
  /** What it said since (milliseconds since 1970), the latest {@link MAX_LOG} bytes of it. */
  log(uid: string, since: number): Promise<string>;
}

const DAY_LINES = 5_000;
/** For a box to end by itself. */
const GRACE_SECONDS = 10;

/** How long is waited, in milliseconds. */
const LIMITS = {
  /** For a box to be ready. */
  readyMs: 30_000,
  /** For one run of its check. */
  checkMs: ANSWER_MS,
  /** For its end and its new start, on a host that is busy. */
  restartMs: 60_000,
};

/** The boxes of the stack whose things begin with `prefix`. */
export function engineBoxes(ask: AskEngine, prefix: string, limits = LIMITS): Boxes {
  const pathOf = (uid: string) => `/containers/${prefix}-box-${uid}`;
  /** Those that are being read: who asks for one meanwhile gets the same. */
  const logs = new Map<string, Promise<string>>();
  return {
    ready: async (uid) => {
      const patience = AbortSignal.timeout(limits.readyMs);
      while (!(await isHealthy(ask, pathOf(uid), { patience, ...limits }))) {
        if (patience.aborted) throw new Error(`box-${uid} isn't ready after ${limits.readyMs / 1_000} s`);
        await sleep(250);
      }
    },
    restart: async (uid) => {
      const signal = AbortSignal.timeout(limits.restartMs);
      await ask("POST", `${pathOf(uid)}/restart?t=${GRACE_SECONDS}`, { signal });
    },
    usage: async (uid) => {
      const said = await runIn(ask, pathOf(uid), [...QUOTA, uid]);
      if (said?.code !== 0)
        throw new Error(`box-${uid} can't tell its quota: ${said?.output ?? "it doesn't run"}`);
      return usageIn(said.output);
    },
    log: (uid, since) => {
      const known = logs.get(uid) ?? readLog(ask, pathOf(uid), since).finally(() => logs.delete(uid));
      logs.set(uid, known);
      return known;
    },
  };
}

/** As it comes: a day's lines may be 30 MB, as much as the engine keeps of a box. */
async function readLog(ask: AskEngine, container: string, since: number): Promise<string> {
  const wanted = `stdout=1&stderr=1&timestamps=1&tail=${DAY_LINES}&since=${Math.floor(since / 1_000)}`;
  // A byte more shows that there was more.
  const keep = (answer: AsyncIterable<Buffer>) => lastOf(payloads(answer), MAX_LOG + 1);
  return latest((await ask("GET", `${container}/logs?${wanted}`, { keep })).toString("utf8"));
}

const QUOTA = ["/usr/bin/doveadm", "-c", "/run/dovecot.conf", "-f", "tab", "quota", "get", "-u"];

/**
 * Runs the box's own check now: its health is looked at every few minutes only. A check that doesn't end is none that is
 * good: code of somebody who broke in runs as the same user, and can stop it.
 */
async function isHealthy(
  ask: AskEngine,
  container: string,
  { patience, checkMs }: { patience: AbortSignal; checkMs: number },
): Promise<boolean> {
  const signal = AbortSignal.any([patience, AbortSignal.timeout(checkMs)]);
  try {
    return (await runIn(ask, container, ["/usr/local/bin/healthcheck"], signal))?.code === 0;
  } catch (error) {
    if (signal.aborted) return false;
    throw error;
  }
}

/** Runs a command in it, to the end or until nobody waits for it any more; undefined when the container doesn't run. */
export async function runIn(
  ask: AskEngine,
  container: string,
  command: string[],
  signal?: AbortSignal,
): Promise<{ code: number | null; output: string } | undefined> {
  const body = { Cmd: command, AttachStdout: true, AttachStderr: true };
  const made = await ask("POST", `${container}/exec`, { body, signal }).catch((error: unknown) => {
    // 409: it doesn't run yet.
    if (error instanceof EngineError && error.status === 409) return undefined;
    throw error;
  });
  if (!made) return undefined;
  const { Id } = JSON.parse(made.toString()) as { Id: string };
  const started = { Detach: false, Tty: false };
  const output = await ask("POST", `/exec/${Id}/start`, { body: started, signal, keep: outputOf });
  const { ExitCode } = JSON.parse((await ask("GET", `/exec/${Id}/json`, { signal })).toString()) as {
    ExitCode: number | null;
  };
  return { code: ExitCode, output: output.toString("utf8") };
}

/** Dovecot counts in KiB, and writes `-` where there is no limit. */
export function usageIn(table: string): UsageView {
  const [, used, limit] = /\tSTORAGE\t(\d+)\t(\d+|-)\t/.exec(table) ?? [];
  if (used === undefined || limit === undefined) throw new Error(`no quota in ${JSON.stringify(table)}`);
  return { used: Number(used) * 1_024, limit: limit === "-" ? null : Number(limit) * 1_024 };
}

const outputOf = (answer: AsyncIterable<Buffer>): Promise<Buffer> => whole(payloads(answer));

const HEADER = 8;

/** The engine sends output in frames: a stream's number and a length before each piece. They end anywhere in a chunk. */
async function* payloads(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let head = Buffer.alloc(0);
  let left = 0;
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; ) {
      const piece = chunk.subarray(at, at + (left || HEADER - head.length));
      at += piece.length;
      if (left > 0) {
        left -= piece.length;
        yield piece;
        continue;
      }
      head = Buffer.concat([head, piece]);
      if (head.length < HEADER) continue;
      left = head.readUInt32BE(4);
      head = Buffer.alloc(0);
    }
  }
}

/** The last bytes of what comes; never much more of it is in memory. */
async function lastOf(pieces: AsyncIterable<Buffer>, bytes: number): Promise<Buffer> {
  let kept: Buffer[] = [];
  let size = 0;
  const cut = () => Buffer.concat(kept).subarray(-bytes);
  for await (const piece of pieces) {
    kept.push(piece);
    size += piece.length;
    if (size <= 2 * bytes) continue;
    kept = [cut()];
    size = bytes;
  }
  return cut();
}

/** The last lines that fit. */
function latest(text: string): string {
  const all = Buffer.from(text);
  if (all.length <= MAX_LOG) return text;
  const last = all.subarray(all.length - MAX_LOG);
  return last.subarray(last.indexOf(0x0a) + 1).toString("utf8");
}
