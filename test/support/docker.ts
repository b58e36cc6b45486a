/** Real containers for integration tests: whatever a lab makes carries its label, and `cleanup` removes it all. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { finished } from "node:stream/promises";
import Docker from "dockerode";
import { pack } from "tar-stream";
import { buildContext } from "./build-context.ts";

export interface RunOptions {
  image: string;
  /** Host name inside the container. */
  hostname?: string;
  env?: Record<string, string>;
  cmd?: string[];
  entrypoint?: string[];
  /** Numeric uid, also taken as gid; the image's own when absent. */
  user?: number;
  /** As the product runs its containers: read-only root, no capabilities, no new privileges. */
  hardened?: boolean;
  /** Options of each tmpfs by its path. */
  tmpfs?: Record<string, string>;
  /** Names of volumes by the path where they are mounted. */
  volumes?: Record<string, string>;
  /** Files of /settings, an anonymous volume, by name. */
  settings?: Record<string, string>;
  /** Aliases of the container by the network it joins; the default bridge when absent. */
  networks?: Record<string, string[]>;
  dns?: string[];
  /** Container ports such as `24/tcp`, each published on a free loopback port. */
  publish?: string[];
  memoryMb?: number;
  /** Run the image's health check twice a second. */
  health?: boolean;
  /** Further options of the engine, for what plays a machine. */
  further?: Docker.HostConfig;
}

export interface ExecResult {
  stdout: string;
  stderr: string;
  exitCode: number;
}

/** A running container. */
export interface Handle {
  readonly id: string;
  /** Runs a command inside, with `input` on its standard input. */
  exec(cmd: string[], options?: { input?: string | Buffer; user?: string }): Promise<ExecResult>;
  /** What it wrote to stdout and stderr so far. */
  logs(): Promise<string>;
  waitHealthy(timeoutMs?: number): Promise<void>;
  /** Resolves with the exit code when it has ended. */
  wait(): Promise<number>;
  /** Its address on `network` (default: the only one it is on). */
  ip(network?: string): Promise<string>;
  /** The loopback port on which a published port is reached; ask again after a restart. */
  port(spec: string): Promise<number>;
  start(): Promise<void>;
  /** SIGTERM, and SIGKILL after `seconds`. */
  stop(seconds?: number): Promise<void>;
  pause(): Promise<void>;
  unpause(): Promise<void>;
  remove(): Promise<void>;
}

export interface Lab {
  readonly docker: Docker;
  /** Labels of everything that the lab makes. */
  readonly labels: Record<string, string>;
  /** A fresh name of the form `semail-t-…`. */
  name(): string;
  /** The tag of the image built from `contextDir`; builds it only if this content has no image yet. */
  ensureImage(name: string, contextDir: string, buildArgs?: Record<string, string>): Promise<string>;
  /** `ipv6`: a subnet, such as `fd00:1::/64`. */
  network(options?: { internal?: boolean; ipv6?: string }): Promise<string>;
  volume(): Promise<string>;
  /** Creates and starts a container. */
  run(options: RunOptions): Promise<Handle>;
  /** A container that somebody else made, by its name. */
  handle(name: string): Handle;
  /** Removes the lab's containers, networks and volumes. Register it with `after`. */
  cleanup(): Promise<void>;
}

/**
 * Opens a lab of its own on the engine that this machine's Docker environment names. `volumesIn`: the folder in which each
 * volume lies under its name, and stays when the volume is removed; the engine's own place when absent.
 */
export function openLab(docker = new Docker(), volumesIn?: string): Lab {
  const run = randomBytes(6).toString("hex");
  const labels = { "semail.test": "1", "semail.test.run": run };
  const name = () => `semail-t-${randomBytes(6).toString("hex")}`;
  return {
    docker,
    labels,
    name,
    ensureImage: (image, contextDir, buildArgs = {}) => ensureImage(docker, image, { contextDir, buildArgs }),
    async network({ internal = false, ipv6 } = {}) {
      const network = name();
      const six = ipv6 === undefined ? {} : { EnableIPv6: true, IPAM: { Config: [{ Subnet: ipv6 }] } };
      await docker.createNetwork({ Name: network, Internal: internal, Labels: labels, ...six });
      return network;
    },
    async volume() {
      const volume = name();
      const place = volumesIn === undefined ? {} : { DriverOpts: await boundTo(join(volumesIn, volume)) };
      await docker.createVolume({ Name: volume, Labels: labels, ...place });
      return volume;
    },
    handle: (name) => handleOf(docker, docker.getContainer(name)),
    run: (options) => runContainer(docker, options, { name: name(), labels }),
    cleanup: () => removeAll(docker, `semail.test.run=${run}`),
  };
}

/** Makes the folder; options of the engine's `local` driver for a volume that lies there. */
async function boundTo(folder: string): Promise<Record<string, string>> {
  await mkdir(folder);
  return { type: "none", o: "bind", device: folder };
}

async function ensureImage(
  docker: Docker,
  image: string,
  { contextDir, buildArgs }: { contextDir: string; buildArgs: Record<string, string> },
): Promise<string> {
  const { hash, tar } = await buildContext(contextDir, buildArgs);
  const tag = `semail/${image}:${hash}`;
  const known = await docker
    .getImage(tag)
    .inspect()
    .then(() => true, isNotFound);
  if (known) return tag;
  const output = await docker.buildImage(tar(), { t: tag, buildargs: buildArgs });
  const lines: string[] = [];
  // A step that fails is an event like any other; the stream itself ends in good order.
  let fault: string | undefined;
  await new Promise<void>((resolve, reject) => {
    docker.modem.followProgress(
      output,
      (error) => {
        fault ??= error?.message;
        if (fault === undefined) resolve();
        else reject(new Error(`${image} can't be built: ${fault}\n${lines.join("")}`));
      },
      (event: { stream?: string; error?: string }) => {
        fault ??= event.error;
        lines.push(event.stream ?? event.error ?? "");
      },
    );
  });
  return tag;
}

/** `false` for the engine's 404; any other error is thrown on. */
function isNotFound(error: unknown): false {
  if (error instanceof Error && "statusCode" in error && error.statusCode === 404) return false;
  throw error;
}

async function runContainer(
  docker: Docker,
  options: RunOptions,
  { name, labels }: { name: string; labels: Record<string, string> },
): Promise<Handle> {
  const container = await docker.createContainer(createOptions(options, { name, labels }));
  const [, ...further] = Object.entries(options.networks ?? {});
  for (const [network, aliases] of further) {
    await docker
      .getNetwork(network)
      .connect({ Container: container.id, EndpointConfig: { Aliases: aliases } });
  }
  if (options.settings) await container.putArchive(settingsTar(options.settings), { path: "/settings" });
  await container.start();
  return handleOf(docker, container);
}

function createOptions(
  options: RunOptions,
  { name, labels }: { name: string; labels: Record<string, string> },
): Docker.ContainerCreateOptions {
  const [first] = Object.entries(options.networks ?? {});
  return {
    name,
    Image: options.image,
    Labels: labels,
    Env: Object.entries(options.env ?? {}).map(([key, value]) => `${key}=${value}`),
    ...(options.hostname === undefined ? {} : { Hostname: options.hostname }),
    ...(options.cmd ? { Cmd: options.cmd } : {}),
    ...(options.entrypoint ? { Entrypoint: options.entrypoint } : {}),
    ...(options.user === undefined ? {} : { User: `${options.user}:${options.user}` }),
    ...(options.settings ? { Volumes: { "/settings": {} } } : {}),
    ...(options.health ? { Healthcheck: HEALTHCHECK } : {}),
    ExposedPorts: Object.fromEntries((options.publish ?? []).map((spec) => [spec, {}])),
    HostConfig: hostConfig(options),
    ...(first ? { NetworkingConfig: { EndpointsConfig: { [first[0]]: { Aliases: first[1] } } } } : {}),
  };
}

const MILLISECOND = 1_000_000;
const HEALTHCHECK = {
  Test: ["CMD", "/usr/local/bin/healthcheck"],
  Interval: 500 * MILLISECOND,
  Timeout: 5_000 * MILLISECOND,
  Retries: 60,
};
const HARDENED = { ReadonlyRootfs: true, CapDrop: ["ALL"], SecurityOpt: ["no-new-privileges:true"] };

function hostConfig(options: RunOptions): Docker.HostConfig {
  const [network] = Object.keys(options.networks ?? {});
  const ports = (options.publish ?? []).map((spec) => [spec, [{ HostIp: "127.0.0.1", HostPort: "" }]]);
  return {
    ...(options.hardened ? HARDENED : {}),
    ...(options.memoryMb === undefined ? {} : { Memory: options.memoryMb * 1024 * 1024 }),
    ...(options.dns ? { Dns: options.dns } : {}),
    ...(network === undefined ? {} : { NetworkMode: network }),
    Tmpfs: options.tmpfs ?? {},
    Binds: Object.entries(options.volumes ?? {}).map(([path, volume]) => `${volume}:${path}`),
    PortBindings: Object.fromEntries(ports),
    ...options.further,
  };
}

function settingsTar(files: Record<string, string>): Readable {
  const archive = pack();
  for (const [name, content] of Object.entries(files)) archive.entry({ name, mode: 0o444 }, content);
  archive.finalize();
  return Readable.from(archive);
}

function handleOf(docker: Docker, container: Docker.Container): Handle {
  return {
    id: container.id,
    exec: (cmd, options = {}) => exec(docker, container, { cmd, ...options }),
    logs: () => logs(container),
    waitHealthy: (timeoutMs = 30_000) => waitHealthy(docker, container, timeoutMs),
    wait: async () => (await container.wait()).StatusCode,
    async ip(network) {
      const networks = (await container.inspect()).NetworkSettings.Networks;
      const found = network === undefined ? Object.values(networks)[0] : networks[network];
      if (!found?.IPAddress) throw new Error(`the container has no address on ${network ?? "any network"}`);
      return found.IPAddress;
    },
    async port(spec) {
      const found = (await container.inspect()).NetworkSettings.Ports[spec]?.[0];
      if (!found) throw new Error(`port ${spec} is not published`);
      return Number(found.HostPort);
    },
    start: async () => void (await container.start()),
    stop: async (seconds = 10) => void (await container.stop({ t: seconds })),
    pause: async () => void (await container.pause()),
    unpause: async () => void (await container.unpause()),
    remove: async () => void (await container.remove({ force: true, v: true })),
  };
}

async function exec(
  docker: Docker,
  container: Docker.Container,
  { cmd, input, user }: { cmd: string[]; input?: string | Buffer; user?: string },
): Promise<ExecResult> {
  const created = await container.exec({
    Cmd: cmd,
    AttachStdin: input !== undefined,
    AttachStdout: true,
    AttachStderr: true,
    ...(user === undefined ? {} : { User: user }),
  });
  // Hijacked, so that ending our side is the end of the command's standard input.
  const stream = await created.start({ hijack: true, stdin: input !== undefined });
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  docker.modem.demuxStream(stream, stdout, stderr);
  if (input !== undefined) stream.end(input);
  const result = Promise.all([text(stdout), text(stderr)]);
  await finished(stream, { writable: false });
  stdout.end();
  stderr.end();
  const [out, err] = await result;
  return { stdout: out, stderr: err, exitCode: (await created.inspect()).ExitCode ?? -1 };
}

async function logs(container: Docker.Container): Promise<string> {
  // Not followed: a followed log ends with the container, or with a line later than `until`, whatever that takes.
  const frames = await container.logs({ stdout: true, stderr: true, follow: false });
  let output = "";
  for (let at = 0; at < frames.length; at += 8 + frames.readUInt32BE(at + 4)) {
    output += frames.toString("utf8", at + 8, at + 8 + frames.readUInt32BE(at + 4));
  }
  return output;
}

async function waitHealthy(docker: Docker, container: Docker.Container, timeoutMs: number): Promise<void> {
  // Listen first, then look: no change between the two is missed.
  const events = await docker.getEvents({
    filters: { container: [container.id], event: ["health_status", "die"] },
  });
  const deadline = AbortSignal.timeout(timeoutMs);
  try {
    for (;;) {
      const { State: state } = await container.inspect();
      if (state.Health?.Status === "healthy") return;
      if (!state.Running || deadline.aborted) {
        const why = state.Running ? `not healthy after ${timeoutMs} ms` : `ended with ${state.ExitCode}`;
        throw new Error(`the container is ${why}:\n${await logs(container)}`);
      }
      await once(events, "data", { signal: deadline }).catch((error) => {
        if (!deadline.aborted) throw error;
      });
    }
  } finally {
    if ("destroy" in events && typeof events.destroy === "function") events.destroy();
  }
}

async function removeAll(docker: Docker, label: string): Promise<void> {
  const filters = { label: [label] };
  for (const { Id } of await docker.listContainers({ all: true, filters })) {
    await docker.getContainer(Id).remove({ force: true, v: true });
  }
  for (const { Id } of await docker.listNetworks({ filters })) await docker.getNetwork(Id).remove();
  const { Volumes: volumes } = await docker.listVolumes({ filters: { label: [label] } });
  for (const { Name } of volumes ?? []) await docker.getVolume(Name).remove();
}
