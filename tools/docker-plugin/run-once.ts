/** A container for one job: made, waited for, and removed. */
import type Docker from "dockerode";
import { statusOf } from "./errors.ts";

/** How a job ended. */
export interface Outcome {
  readonly exitCode: number;
  /** What it printed, by either way out. */
  readonly said: string;
}

/**
 * Runs a container to its end. One of its name, of an update that was killed, is removed first. Rejects when the engine
 * refuses to make or start it.
 */
export async function runOnce(
  docker: Docker,
  options: Docker.ContainerCreateOptions & { readonly name: string },
): Promise<Outcome> {
  await docker.getContainer(options.name).remove({ force: true }).catch(ifDone);
  // With a terminal, what it prints comes as it is and not in the engine's frames.
  const container = await docker.createContainer({
    ...{ ...options, Tty: true },
    // Whatever the engine is told to do with others' logs: this one is read.
    HostConfig: { ...options.HostConfig, LogConfig: { Type: "json-file", Config: {} } },
  });
  try {
    await container.start();
    const { StatusCode } = (await container.wait()) as { StatusCode: number };
    const said = (await container.logs({ stdout: true, stderr: true })).toString().replaceAll("\r\n", "\n");
    return { exitCode: StatusCode, said };
  } finally {
    await container.remove({ force: true }).catch(ifDone);
  }
}

/** Passes over the engine's "no such container" and "not running". */
export function ifDone(error: unknown): void {
  const status = statusOf(error);
  if (status !== 404 && status !== 304) throw error;
}
