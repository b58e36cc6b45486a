/** A benchmark on a stack of its own: steps that end, and nothing left behind, however it ends. */
import { rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import Docker from "dockerode";
import type { TestProject } from "../../test/support/project.ts";

/** Runs a step; rejects when it takes longer. `signal` ends what it started. */
export type Step = <T>(
  what: string,
  seconds: number,
  work: (signal: AbortSignal) => Promise<T>,
) => Promise<T>;

const ABORTED_MS = 2_000;
const STOP_SECONDS = 2;

/** Makes the project, works on it, and takes it down; when it is told to end, at once and by the engine. */
export async function onStack(
  make: () => Promise<TestProject>,
  work: (project: TestProject, step: Step) => Promise<void>,
): Promise<void> {
  const ending = new AbortController();
  let project: TestProject | undefined;
  let stopping: Promise<void> | undefined;
  const stop = async (name: NodeJS.Signals): Promise<void> => {
    console.log(`${name}: the stack is taken down`);
    ending.abort(new Error(`ended by ${name}`));
    if (project) await sweep(project);
    process.exit(1);
  };
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.once(name, () => {
      stopping ??= stop(name);
    });
  const step: Step = async (what, seconds, run) => {
    const signal = AbortSignal.any([ending.signal, AbortSignal.timeout(seconds * 1_000)]);
    const late = new Promise<never>((_, reject) =>
      signal.addEventListener("abort", () => reject(new Error(`${what}: not done within ${seconds} s`)), {
        once: true,
      }),
    );
    console.log(`${new Date().toISOString().slice(11, 19)} ${what}`);
    return Promise.race([run(signal), late]);
  };
  project = await make();
  try {
    await work(project, step);
  } finally {
    await (stopping ?? project.dispose());
  }
}

/** Removes what the stack has on the engine, without Pulumi. */
async function sweep({ prefix, folder }: TestProject): Promise<void> {
  // Pulumi, which was interrupted, finishes what it is at.
  await sleep(ABORTED_MS);
  const docker = new Docker();
  const own = { label: [`io.semail.stack=${prefix}`] };
  const containers = await docker.listContainers({ all: true, filters: own });
  await Promise.all(
    containers.map(async ({ Id }) => {
      const container = docker.getContainer(Id);
      // Not killed at once: guard takes its rules out of the host's firewall.
      await container.stop({ t: STOP_SECONDS }).catch(() => undefined);
      await container.remove({ force: true, v: true });
    }),
  );
  const { Volumes } = await docker.listVolumes({ filters: own });
  const networks = await docker.listNetworks({ filters: own });
  await Promise.all([
    ...Volumes.map(({ Name }) => docker.getVolume(Name).remove()),
    ...networks.map(({ Id }) => docker.getNetwork(Id).remove()),
    rm(folder, { recursive: true, force: true }),
  ]);
}
