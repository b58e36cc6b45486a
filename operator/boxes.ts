/** A person's container, asked directly: is it ready, start it anew, what did it say. */
import { setTimeout as sleep } from "node:timers/promises";
import { MAX_LOG, type UsageView } from "../mailserver/operator/protocol.ts";
import { ANSWER_MS, type AskEngine, EngineError } from "./engine-client.ts";

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
    log: async (uid, since) => {
      const wanted = `stdout=1&stderr=1&timestamps=1&tail=${DAY_LINES}&since=${Math.floor(since / 1_000)}`;
      return latest(textOf(await ask("GET", `${pathOf(uid)}/logs?${wanted}`)));
    },
  };
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
  const frames = await ask("POST", `/exec/${Id}/start`, { body: { Detach: false, Tty: false }, signal });
  const { ExitCode } = JSON.parse((await ask("GET", `/exec/${Id}/json`, { signal })).toString()) as {
    ExitCode: number | null;
  };
  return { code: ExitCode, output: textOf(frames) };
}

/** Dovecot counts in KiB, and writes `-` where there is no limit. */
export function usageIn(table: string): UsageView {
  const [, used, limit] = /\tSTORAGE\t(\d+)\t(\d+|-)\t/.exec(table) ?? [];
  if (used === undefined || limit === undefined) throw new Error(`no quota in ${JSON.stringify(table)}`);
  return { used: Number(used) * 1_024, limit: limit === "-" ? null : Number(limit) * 1_024 };
}

const HEADER = 8;

/** The engine sends output in frames: a stream's number and a length before each piece. */
export function textOf(frames: Buffer): string {
  const pieces: Buffer[] = [];
  for (let at = 0; at + HEADER <= frames.length; ) {
    const end = at + HEADER + frames.readUInt32BE(at + 4);
    pieces.push(frames.subarray(at + HEADER, end));
    at = end;
  }
  return Buffer.concat(pieces).toString("utf8");
}

/** The last lines that fit. */
export function latest(text: string, bytes = MAX_LOG): string {
  const all = Buffer.from(text);
  if (all.length <= bytes) return text;
  const cut = all.subarray(all.length - bytes);
  return cut.subarray(cut.indexOf(0x0a) + 1).toString("utf8");
}
