/** A person's container, asked directly: is it ready, start it anew, what did it say. */
import { setTimeout as sleep } from "node:timers/promises";
import type Docker from "dockerode";
import { MAX_LOG } from "../mailserver/operator/protocol.ts";

export interface Boxes {
  /** Resolves when the box answers; throws when it doesn't within the time. */
  ready(uid: string): Promise<void>;
  restart(uid: string): Promise<void>;
  /** What it said since (milliseconds since 1970), the latest 64 KB of it. */
  log(uid: string, since: number): Promise<string>;
}

const DAY_LINES = 5_000;

/** The boxes of the stack whose things begin with `prefix`. */
export function engineBoxes(docker: Docker, prefix: string, readyWithinMs = 30_000): Boxes {
  const container = (uid: string) => docker.getContainer(`${prefix}-box-${uid}`);
  return {
    ready: async (uid) => {
      for (let waited = 0; !(await isHealthy(container(uid))); waited += 250) {
        if (waited >= readyWithinMs)
          throw new Error(`box-${uid} isn't ready after ${readyWithinMs / 1_000} s`);
        await sleep(250);
      }
    },
    restart: async (uid) => {
      await container(uid).restart({ t: 10 });
    },
    log: async (uid, since) => {
      const options = {
        stdout: true,
        stderr: true,
        timestamps: true,
        follow: false,
        tail: DAY_LINES,
      } as const;
      const frames = await container(uid).logs({ ...options, since: Math.floor(since / 1_000) });
      return latest(textOf(frames));
    },
  };
}

/** Runs the box's own check now: its health is looked at every few minutes only. */
async function isHealthy(container: Docker.Container): Promise<boolean> {
  const exec = await container
    .exec({ Cmd: ["/usr/local/bin/healthcheck"], AttachStdout: true, AttachStderr: true })
    .catch((error: { statusCode?: number }) => {
      // 409: it doesn't run yet.
      if (error.statusCode === 409) return undefined;
      throw error;
    });
  if (!exec) return false;
  const stream = await exec.start({});
  await new Promise<void>((resolve, reject) => stream.once("end", resolve).once("error", reject).resume());
  return (await exec.inspect()).ExitCode === 0;
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
