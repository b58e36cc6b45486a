/** Waiting for a container that was started, and the evidence when it doesn't come up. */
import { setTimeout as sleep } from "node:timers/promises";
import type Docker from "dockerode";
import type { ContainerProps } from "./container-options.ts";
import { UserError } from "./errors.ts";
import type { Context } from "./resource.ts";

/** Milliseconds between two looks at a container that is coming up. */
const INTERVAL = 200;
/** How long a container that isn't waited for must run to count as running. */
const SETTLING = 300;
/** So many restarts mean that it will never come up. */
const RESTARTS = 5;
const LOG_LINES = 20;

type Info = Docker.ContainerInspectInfo;

/** Waits until the container is as its properties ask: healthy, or at least running. */
export async function waitUntilUp(context: Context, id: string, props: ContainerProps): Promise<Info> {
  const container = context.docker.getContainer(id);
  const started = performance.now();
  const limit = props.wait === true ? (props.waitTimeout ?? 60) * 1000 : SETTLING;
  if (props.wait === true)
    context.log.status(`waiting up to ${limit / 1000} s for ${props.name} to become healthy`);
  for (;;) {
    context.signal.throwIfAborted();
    const info = await container.inspect();
    const verdict = judge(info, props);
    if (verdict === "up") return info;
    if (verdict !== "coming") throw await failure(container, info, `${props.name} ${verdict}`);
    if (performance.now() - started > limit) {
      if (props.wait !== true) return info;
      throw await failure(container, info, `${props.name} did not become healthy within ${limit / 1000} s`);
    }
    await sleep(INTERVAL, undefined, { signal: context.signal });
  }
}

/** `up`, `coming`, or what is wrong. */
export function judge(
  info: Pick<Info, "State"> & { RestartCount?: number },
  props: Partial<ContainerProps>,
): string {
  const { Running: running, Restarting: restarting, ExitCode: code, Health: health } = info.State;
  const mustRun = props.mustRun ?? true;
  if ((info.RestartCount ?? 0) >= RESTARTS) return `ends again and again (exit code ${code})`;
  if (!running && !restarting)
    return mustRun || props.wait === true ? `ended at once (exit code ${code})` : "up";
  if (props.wait !== true) return mustRun ? "coming" : "up";
  if (health === undefined || health.Status === ("none" as string))
    return "has no health check, so there is nothing to wait for";
  if (health.Status === "unhealthy") return "is unhealthy";
  return health.Status === "healthy" ? "up" : "coming";
}

async function failure(container: Docker.Container, info: Info, what: string): Promise<UserError> {
  const log = await lastLines(container, info.Config.Tty);
  const check = info.State.Health?.Log?.at(-1);
  return new UserError(
    [
      `container ${what}.`,
      ...(check === undefined
        ? []
        : [`Last health check (exit code ${check.ExitCode}):`, ...indented(check.Output)]),
      ...(log.trim() === "" ? ["It logged nothing."] : [`Last lines of its log:`, ...indented(log)]),
    ].join("\n"),
  );
}

function indented(text: string): string[] {
  return text
    .trimEnd()
    .split("\n")
    .slice(-LOG_LINES)
    .map((line) => `  ${line}`);
}

async function lastLines(container: Docker.Container, tty: boolean): Promise<string> {
  try {
    const log = await container.logs({ stdout: true, stderr: true, tail: LOG_LINES, follow: false });
    return tty ? log.toString() : demultiplexed(log);
  } catch {
    return ""; // Some log drivers can't be read; the cause above is still worth telling.
  }
}

/** The text of a log whose chunks each have a header of eight bytes: the stream, and the length. */
export function demultiplexed(log: Buffer): string {
  const chunks: Buffer[] = [];
  for (let at = 0; at + 8 <= log.length; ) {
    const length = log.readUInt32BE(at + 4);
    chunks.push(log.subarray(at + 8, at + 8 + length));
    at += 8 + length;
  }
  return Buffer.concat(chunks).toString();
}
