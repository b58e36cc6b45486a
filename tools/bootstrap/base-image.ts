import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Docker from "dockerode";
import type { Context } from "./context.ts";
import { aptInstall, type Engine } from "./engine.ts";
import { Fault, messageOf } from "./fault.ts";
import { inspectMachine, type Machine } from "./machine.ts";
import { must, withHeartbeat } from "./run.ts";

/** What every image of the project starts from. */
export const BASE_IMAGE = "debian:trixie-slim";
const REPOSITORY = "debian";
const TAG = "trixie-slim";
const PULLED_WITHIN_MS = 60_000;

async function exists(docker: Docker): Promise<boolean> {
  try {
    await docker.getImage(BASE_IMAGE).inspect();
    return true;
  } catch (error) {
    if ((error as { statusCode?: number }).statusCode === 404) return false;
    throw error;
  }
}

/** Reads a progress stream of the engine to its end; the engine reports failures inside of it. */
function followed(docker: Docker, stream: NodeJS.ReadableStream): Promise<void> {
  return new Promise((resolve, reject) => {
    docker.modem.followProgress(stream, (error) => (error ? reject(error) : resolve()));
  });
}

/** Whether this machine's own engine had the image for the host's. */
async function shipped(context: Context, { docker, local }: Engine): Promise<boolean> {
  if (local) return false;
  const own = new Docker({ socketPath: "/var/run/docker.sock" });
  if (!(await exists(own).catch(() => false))) return false;
  context.say.doing(`shipping ${BASE_IMAGE} to the host`, "its 120 MB, once");
  await followed(docker, await docker.loadImage(await own.getImage(BASE_IMAGE).get()));
  return exists(docker);
}

/** Undefined when the image was pulled, else why not. */
async function pull(context: Context, docker: Docker): Promise<string | undefined> {
  const limit = AbortSignal.timeout(PULLED_WITHIN_MS);
  try {
    const abortSignal = AbortSignal.any([limit, context.signal]);
    await followed(docker, await docker.pull(BASE_IMAGE, { abortSignal }));
    return undefined;
  } catch (error) {
    context.signal.throwIfAborted();
    return limit.aborted ? `no answer within ${PULLED_WITHIN_MS / 1000} s` : messageOf(error);
  }
}

/** What making the image needs on this machine: nothing, a package, or it can't be done here. */
export function chooseMaker(machine: Machine): "ready" | "install" | "impossible" {
  if (!machine.root) return "impossible";
  if (machine.has("mmdebstrap")) return "ready";
  return machine.debian ? "install" : "impossible";
}

async function make(context: Context, docker: Docker): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "semail-base-"));
  const tar = join(folder, "base.tar");
  try {
    const args = ["--quiet", "--variant=minbase", "--mode=root", "trixie", tar];
    const fault = {
      cause: `${BASE_IMAGE} could neither be pulled nor made by mmdebstrap.`,
      remedy: "Check that Debian's package archive can be reached; then run this again.",
    };
    await withHeartbeat(context, "making the base image", () =>
      must(context, { file: "mmdebstrap", args }, fault),
    );
    // The engine sets the tag last, so an interrupted import leaves no half image under it.
    await followed(docker, await docker.importImage(tar, { repo: REPOSITORY, tag: TAG }));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Pulls {@link BASE_IMAGE}; where no registry can be reached, ships this machine's to a host far away, or makes it out
 * of Debian's packages.
 */
export async function ensureBaseImage(context: Context, engine: Engine): Promise<void> {
  const { docker } = engine;
  if (await exists(docker)) return context.say.done(`base image ${BASE_IMAGE}`, "there");
  context.say.doing(`pulling ${BASE_IMAGE}`, "up to 1 min");
  const failure = await pull(context, docker);
  if (failure === undefined) return context.say.done(`base image ${BASE_IMAGE}`, "pulled");
  if (await shipped(context, engine)) return context.say.done(`base image ${BASE_IMAGE}`, "shipped");
  const maker = chooseMaker(inspectMachine(context.env));
  if (maker === "impossible") {
    throw new Fault(
      `The base image ${BASE_IMAGE} can't be pulled: ${failure}`,
      "Give the engine access to its registry, load the image (`docker load`), or run this as root on Debian.",
    );
  }
  context.say.doing(`no registry answers; making ${BASE_IMAGE} out of Debian's packages`, "once, 20 to 60 s");
  if (maker === "install") await aptInstall(context, ["mmdebstrap", "debian-archive-keyring"]);
  await make(context, docker);
  context.say.done(`base image ${BASE_IMAGE}`, "made");
}
