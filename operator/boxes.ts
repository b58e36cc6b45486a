/** A person's container, asked directly: is it ready, start it anew, what did it say. */
import { setTimeout as sleep } from "node:timers/promises";
import { MAX_LOG, type UsageView } from "../mailserver/operator/protocol.ts";
import { type AskEngine, EngineError } from "./engine-client.ts";

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

/** The boxes of the stack whose things begin with `prefix`. */
export function engineBoxes(ask: AskEngine, prefix: string, readyWithinMs = 30_000): Boxes {
  const pathOf = (uid: string) => `/containers/${prefix}-box-${uid}`;
  return {
    ready: async (uid) => {
      for (let waited = 0; !(await isHealthy(ask, pathOf(uid))); waited += 250) {
        if (waited >= readyWithinMs)
          throw new Error(`box-${uid} isn't ready after ${readyWithinMs / 1_000} s`);
        await sleep(250);
      }
    },
    restart: async (uid) => void (await ask("POST", `${pathOf(uid)}/restart?t=10`)),
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

/** Runs the box's own check now: its health is looked at every few minutes only. */
async function isHealthy(ask: AskEngine, container: string): Promise<boolean> {
  return (await runIn(ask, container, ["/usr/local/bin/healthcheck"]))?.code === 0;
}

/** Runs a command in it, to the end; undefined when the container doesn't run. */
export async function runIn(
  ask: AskEngine,
  container: string,
  command: string[],
): Promise<{ code: number | null; output: string } | undefined> {
  const options = { Cmd: command, AttachStdout: true, AttachStderr: true };
  const made = await ask("POST", `${container}/exec`, options).catch((error: unknown) => {
    // 409: it doesn't run yet.
    if (error instanceof EngineError && error.status === 409) return undefined;
    throw error;
  });
  if (!made) return undefined;
  const { Id } = JSON.parse(made.toString()) as { Id: string };
  const frames = await ask("POST", `/exec/${Id}/start`, { Detach: false, Tty: false });
  const { ExitCode } = JSON.parse((await ask("GET", `/exec/${Id}/json`)).toString()) as {
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
