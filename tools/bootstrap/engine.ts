import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, openSync, readFileSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Docker from "dockerode";
import { type Context, type Env, stateFolder } from "./context.ts";
import { chooseEngine, type EngineFacts, isApiRecent, OLDEST_API, parseDockerHost } from "./engine-choice.ts";
import { Fault, messageOf, tail } from "./fault.ts";
import { inspectMachine, type Machine } from "./machine.ts";
import { must } from "./run.ts";

/** An engine that answers. */
export interface Engine {
  readonly docker: Docker;
  /** On this machine: its disk can be looked at, and its images are this machine's. */
  readonly local: boolean;
  /** The dockerd that this run started itself; a test run stops it at its end. */
  readonly startedPid: number | undefined;
}

const STARTED_WITHIN_MS = 60_000;
const MIN_FREE_GB = 3;

function connect(env: Env, configured: string | undefined): { docker: Docker; local: boolean } {
  // Without DOCKER_HOST dockerode looks where the engines of this machine listen; with it, it must be well-formed.
  if (!configured) return { docker: new Docker({ socketPath: "/var/run/docker.sock" }), local: true };
  const connection = parseDockerHost(configured, Boolean(env.DOCKER_TLS_VERIFY));
  if (!connection) {
    throw new Fault(
      `DOCKER_HOST is not an address: ${configured}`,
      "Write unix:///path, tcp://host:port or ssh://user@host.",
    );
  }
  return { docker: new Docker({ ...connection, ...certificates(env) }), local: "socketPath" in connection };
}

/** The client certificate of an engine behind TLS, where the docker CLI looks for it too. */
function certificates(env: Env): Pick<Docker.DockerOptions, "ca" | "cert" | "key"> {
  const folder = env.DOCKER_CERT_PATH;
  if (!folder) return {};
  const read = (name: string): string => readFileSync(join(folder, name), "utf8");
  return { ca: read("ca.pem"), cert: read("cert.pem"), key: read("key.pem") };
}

/** Undefined when the engine answers, else why not. */
export async function unreachable(docker: Docker, timeoutMs = 10_000): Promise<string | undefined> {
  const limit = AbortSignal.timeout(timeoutMs);
  const late = once(limit, "abort").then(() =>
    Promise.reject(new Error(`no answer within ${timeoutMs / 1000} s`)),
  );
  try {
    await Promise.race([docker.ping(), late]);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** Installs Debian's engine; goes on where an interrupted installation stopped. */
export async function aptInstall(context: Context, packages: readonly string[]): Promise<void> {
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  const fault = {
    cause: `apt-get could not install ${packages.join(" ")}.`,
    remedy: "Put apt in order (sources, network, disk), then run this again.",
  };
  await must(context, { file: "dpkg", args: ["--configure", "-a"], env }, fault);
  await must(context, { file: "apt-get", args: ["update", "-q"], env }, fault);
  const install = ["install", "-y", "-q", "--no-install-recommends", ...packages];
  await must(context, { file: "apt-get", args: install, env }, fault);
}

/** Starts the engine and waits until it answers; the process id when it is a child of ours. */
async function start(context: Context, docker: Docker, systemd: boolean): Promise<number | undefined> {
  context.say.doing("starting the Docker engine", "a few seconds");
  if (systemd) {
    const remedy = "See `journalctl -u docker`; start it, then run this again.";
    await must(
      context,
      { file: "systemctl", args: ["start", "docker"] },
      { cause: "systemd could not start Docker.", remedy },
    );
  }
  const log = join(stateFolder(context.root), "dockerd.log");
  const child = systemd ? undefined : spawnDaemon(context, log);
  const deadline = Date.now() + STARTED_WITHIN_MS;
  while ((await unreachable(docker, 2_000)) !== undefined) {
    context.signal.throwIfAborted();
    if (Date.now() > deadline || child?.ended()) {
      const said = existsSync(log) && !systemd ? tail(readFileSync(log, "utf8"), 5) : "";
      throw new Fault(
        "The Docker engine does not start.",
        `${said}\nSee ${systemd ? "journalctl -u docker" : log}.`,
      );
    }
    await sleep(300, undefined, { signal: context.signal });
  }
  return child?.pid;
}

/** A dockerd of its own session: it outlives this run. */
function spawnDaemon(context: Context, log: string): { pid: number | undefined; ended: () => boolean } {
  const fd = openSync(log, "w", 0o600);
  const path = `${context.env.PATH ?? ""}:/usr/sbin:/sbin`;
  const child = spawn("dockerd", [], {
    detached: true,
    stdio: ["ignore", fd, fd],
    env: { ...context.env, PATH: path },
  });
  let failed = false;
  child.once("error", () => {
    failed = true;
  });
  child.unref();
  return { pid: child.pid, ended: () => failed || child.exitCode !== null || child.signalCode !== null };
}

/** Does what {@link chooseEngine} says; the process id of a dockerd that it started. */
async function bring(context: Context, docker: Docker, facts: EngineFacts): Promise<number | undefined> {
  const choice = chooseEngine(facts);
  if (choice.kind === "explain") throw new Fault(choice.cause, choice.remedy);
  if (choice.kind === "install") {
    context.say.doing("installing the Docker engine (docker.io)", "once, about 1 min");
    await aptInstall(context, ["docker.io", "iptables"]);
    // The package's own start-up may have started it by now.
    if ((await unreachable(docker, 2_000)) === undefined) return undefined;
  }
  return start(context, docker, choice.systemd);
}

/** The version of an engine that is recent enough. */
export async function refuseOldEngine(docker: Docker): Promise<string> {
  const { Version, ApiVersion } = await docker.version();
  if (isApiRecent(ApiVersion)) return Version;
  throw new Fault(
    `The Docker engine is too old: ${Version} (API ${ApiVersion}; at least ${OLDEST_API} is needed).`,
    "Update it to Docker 20.10 or newer.",
  );
}

/** Refuses to begin what would end in a half-built image or a lost message. */
async function refuseFullDisk(docker: Docker): Promise<void> {
  const { DockerRootDir } = (await docker.info()) as { DockerRootDir: string };
  if (!existsSync(DockerRootDir)) return;
  const disk = statfsSync(DockerRootDir);
  const free = (disk.bavail * disk.bsize) / 1e9;
  if (free >= MIN_FREE_GB) return;
  throw new Fault(
    `Only ${free.toFixed(1)} GB are free where Docker keeps its data (${DockerRootDir}).`,
    `Make room for at least ${MIN_FREE_GB} GB (\`docker system df\` shows what Docker holds), then run this again.`,
  );
}

/** Finds a Docker engine, or brings one where that is possible. */
export async function ensureEngine(
  context: Context,
  machine: Machine = inspectMachine(context.env),
): Promise<Engine> {
  const configured = context.env.DOCKER_HOST || undefined;
  const { docker, local } = connect(context.env, configured);
  const error = await unreachable(docker);
  const startedPid =
    error === undefined ? undefined : await bring(context, docker, { configured, error, machine });
  const version = await refuseOldEngine(docker);
  if (local) await refuseFullDisk(docker);
  context.say.done(`Docker engine ${version}`, error === undefined ? "running" : "started");
  return { docker, local, startedPid };
}

/** Stops a dockerd that this run started, and waits until it is gone. */
export async function stopEngine(context: Context, pid: number): Promise<void> {
  process.kill(pid, "SIGTERM");
  for (let waited = 0; waited < 30_000; waited += 200) {
    try {
      process.kill(pid, 0);
    } catch {
      return context.say.done("Docker engine stopped", "this run had started it");
    }
    await sleep(200);
  }
}
