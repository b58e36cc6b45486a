/** How every container of the stack is run: named by the stack, and with as few rights as it can live with. */
import { createHash, createHmac } from "node:crypto";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { MailHost } from "./mail-host.ts";
import type { ImageRef } from "./mail-images.ts";

export type Kind =
  | "network"
  | "mail"
  | "queue"
  | "directory"
  | "zone"
  | "settings"
  | "socket"
  | "state"
  | "certificate"
  | "service"
  | "box"
  | "backup";

/** Under which user id a box runs, to be seen without asking for each. */
export const USER_LABEL = "io.semail.user";

/** Labels by which the stack's things are found on the host. */
export function labels(prefix: string, kind: Kind): { label: string; value: string }[] {
  return [
    { label: "io.semail.stack", value: prefix },
    { label: "io.semail.kind", value: kind },
  ];
}

/** A port on the host: `127.0.0.1` keeps it private to the machine. */
export interface PublishedPort {
  internal: number;
  external: number;
  ip: string;
}

export interface Attachment {
  network: docker.Network;
  /** The name by which others on the network find the container. */
  alias: string;
  ipv4?: string;
}

export interface ServiceArgs {
  host: MailHost;
  /** Name without the stack's prefix. */
  name: string;
  kind: "service" | "box" | "backup";
  /** Never started: `npm run` makes containers like it, each for one job. */
  pattern?: boolean;
  image: ImageRef;
  /** Fixed uid and gid of the image. */
  user: number;
  /** Another gid than `user`. */
  group?: number;
  memoryMb: number;
  /** At most; all of the host's unless told. */
  cpus?: number;
  networks: Attachment[];
  /** Processes and threads at most. The kernel counts by user id: for who has one alone. */
  processes?: number | undefined;
  /** No network at all. */
  offline?: boolean;
  /** Capabilities that it can't do without. */
  capabilities?: readonly string[];
  /** Share the host's network instead. */
  hostNetwork?: boolean;
  /** Paths of the host, at the same place. */
  binds?: readonly { path: string; readOnly: boolean }[];
  envs?: pulumi.Input<string>[];
  /** In hexadecimal, of the stack's own: where the files may have no other secret than one that a person chose. */
  versionKey?: pulumi.Input<string>;
  /** Name servers, in place of the host's. */
  resolvers?: readonly string[];
  /** Files of /settings by name. Secret. */
  files?: Record<string, pulumi.Input<string>>;
  /** Further files of /settings, which the service reads again by itself when they change. Secret. */
  liveFiles?: Record<string, pulumi.Input<string>>;
  /** Sizes of the writable folders in memory, such as `16m`. */
  tmpfs?: { run?: string; tmp?: string };
  /** `ready`: the volume's name, known when it may be used. */
  volumes?: readonly {
    volume: docker.Volume;
    path: string;
    readOnly?: boolean;
    ready?: pulumi.Output<string> | undefined;
  }[];
  ports?: PublishedPort[];
  /** Seconds between health checks; 5 unless told. */
  healthEvery?: number;
  /** Wait until the container is healthy. */
  wait?: boolean;
}

/**
 * `docker.Container` with the properties that are given, and no others. The generated class gives each of its ninety
 * properties an output, which for a thousand boxes is a fifth of a preview; nobody reads them here.
 */
export class EngineContainer extends pulumi.CustomResource {
  constructor(name: string, args: docker.ContainerArgs, opts: pulumi.CustomResourceOptions) {
    super("docker:index/container:Container", name, { ...args }, opts);
  }
}

const SETTINGS = "/settings";
const MOUNT = "rw,noexec,nosuid,nodev";

/** Makes the container: read-only root, no capabilities, no new privileges, a fixed user, a memory limit. */
export function serviceContainer(
  name: string,
  args: ServiceArgs,
  opts: { parent: pulumi.Resource; dependsOn?: pulumi.Resource[] },
): EngineContainer {
  const settings = args.files && settingsVolume(name, args, opts.parent);
  return new EngineContainer(name, containerArgs(args, settings), {
    parent: opts.parent,
    ...ownContainer(args.host),
    // The official plugin calls these updates, but doesn't carry them out.
    replaceOnChanges: ["healthcheck", "tmpfs", "init"],
    dependsOn: [args.image.resource, ...(settings?.holders ?? []), ...(opts.dependsOn ?? [])],
  });
}

/** The name and the fixed address are free only once the old container is gone. */
function ownContainer(host: MailHost) {
  return { provider: host.provider, deleteBeforeReplace: true };
}

interface Settings {
  readonly volume: docker.Volume;
  readonly holders: readonly EngineContainer[];
  /** Changes whenever the files do that the service reads only once. */
  readonly version: pulumi.Output<string>;
}

/**
 * A volume with the service's settings. Docker copies files only into a container whose root can be written, so a
 * second container, which is never started, takes them for the real one, which mounts the volume read-only.
 */
function settingsVolume(name: string, args: ServiceArgs, parent: pulumi.Resource): Settings {
  const { host, files = {}, liveFiles, versionKey } = args;
  const volume = new docker.Volume(
    `${name}-settings`,
    { name: `${host.prefix}-${args.name}-settings`, labels: labels(host.prefix, "settings") },
    { parent, ...ownContainer(host) },
  );
  const uploads = uploadsOf(files);
  const at = { name, args, volume, parent };
  const holders = [filesHolder(at, "settings", uploads)];
  // Of its own, so that other content replaces this holder alone and the service goes on.
  if (liveFiles) holders.push(filesHolder(at, "live", uploadsOf(liveFiles)));
  const version = pulumi
    .all([uploads, versionKey])
    .apply(([list, key]) => versionOf(JSON.stringify(list), key));
  return { volume, holders, version: pulumi.unsecret(version) };
}

/**
 * Anybody who sees the state or the container may read it: of a weak secret it must not be what guesses are compared
 * with, at the speed of a hash.
 */
function versionOf(text: string, key: string | undefined): string {
  const hash = key === undefined ? createHash("sha256") : createHmac("sha256", Buffer.from(key, "hex"));
  return hash.update(text).digest("hex").slice(0, 16);
}

type Uploads = { file: string; content: pulumi.Input<string> }[];

function uploadsOf(files: Record<string, pulumi.Input<string>>): Uploads {
  return Object.entries(files).map(([file, content]) => ({ file: `${SETTINGS}/${file}`, content }));
}

/** A container that puts files into the settings volume by being made. */
function filesHolder(
  at: { name: string; args: ServiceArgs; volume: docker.Volume; parent: pulumi.Resource },
  kind: "settings" | "live",
  uploads: Uploads,
): EngineContainer {
  const { name, args, volume, parent } = at;
  const { host, image } = args;
  return new EngineContainer(
    `${name}-${kind}-files`,
    {
      name: `${host.prefix}-${args.name}-${kind}`,
      image: image.id,
      start: false,
      mustRun: false,
      networkMode: "none",
      labels: labels(host.prefix, "settings"),
      volumes: [{ volumeName: volume.name, containerPath: SETTINGS }],
      uploads: pulumi.secret(uploads),
    },
    { parent, ...ownContainer(host), dependsOn: [image.resource] },
  );
}

/** Seconds as Go prints them, which is how the engine lists them: `5s`, `5m0s`. */
const goDuration = (seconds: number): string =>
  seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;

const HEALTH_SECONDS = 5;
const HEALTHY_WITHIN_SECONDS = 60;

/** What keeps a service going; what is only a pattern stays as it was made. */
function started({ pattern, healthEvery = HEALTH_SECONDS, host: { patience } }: ServiceArgs) {
  if (pattern) return { start: false, mustRun: false };
  return {
    restart: "unless-stopped",
    healthcheck: {
      tests: ["CMD", "/usr/local/bin/healthcheck"],
      // A check is a process: where everything is slow, these would take all there is.
      interval: goDuration(Math.max(healthEvery, HEALTH_SECONDS * patience)),
      timeout: goDuration(5 * patience),
      startPeriod: goDuration(10 * patience),
      retries: 6,
    },
  };
}

/** Whom the container can speak to. */
function reach({ hostNetwork, offline, networks, resolvers }: ServiceArgs) {
  if (hostNetwork || offline) return { networkMode: hostNetwork ? "host" : "none" };
  return {
    ...(resolvers && { dns: [...resolvers] }),
    networksAdvanced: networks.map(({ network, alias, ipv4 }) => ({
      name: network.name,
      aliases: [alias],
      ...(ipv4 === undefined ? {} : { ipv4Address: ipv4 }),
    })),
  };
}

function containerArgs(args: ServiceArgs, settings: Settings | undefined): docker.ContainerArgs {
  return {
    name: `${args.host.prefix}-${args.name}`,
    hostname: args.name,
    image: args.image.id,
    user: `${args.user}:${args.group ?? args.user}`,
    readOnly: true,
    capabilities: { drops: ["ALL"], ...(args.capabilities && { adds: [...args.capabilities] }) },
    securityOpts: ["no-new-privileges:true"],
    memory: args.memoryMb,
    memorySwap: args.memoryMb,
    ...(args.cpus === undefined ? {} : { cpus: String(args.cpus) }),
    ...(args.processes === undefined
      ? {}
      : { ulimits: [{ name: "nproc", soft: args.processes, hard: args.processes }] }),
    // The version is there to make a new container of new settings.
    envs: [
      ...(args.envs ?? []),
      ...(settings ? [pulumi.interpolate`SETTINGS_VERSION=${settings.version}`] : []),
    ],
    tmpfs: {
      "/run": `${MOUNT},size=${args.tmpfs?.run ?? "8m"},uid=${args.user},gid=${args.user},mode=0750`,
      "/tmp": `${MOUNT},size=${args.tmpfs?.tmp ?? "16m"},mode=1777`,
    },
    labels: [
      ...labels(args.host.prefix, args.kind),
      ...(args.kind === "box" ? [{ label: USER_LABEL, value: String(args.user) }] : []),
    ],
    ...reach(args),
    // In the order in which the engine lists them, or the official plugin sees a change.
    ...(args.ports && {
      ports: args.ports
        .toSorted((one, other) => one.internal - other.internal || (one.ip < other.ip ? -1 : 1))
        .map((port) => ({ ...port, protocol: "tcp" })),
    }),
    volumes: [
      ...(args.volumes ?? []).map(({ volume, path, readOnly, ready }) => ({
        volumeName: ready ?? volume.name,
        containerPath: path,
        ...(readOnly ? { readOnly } : {}),
      })),
      ...(args.binds ?? []).map(({ path, readOnly }) => ({
        hostPath: path,
        containerPath: path,
        ...(readOnly ? { readOnly } : {}),
      })),
      ...(settings ? [{ volumeName: settings.volume.name, containerPath: SETTINGS, readOnly: true }] : []),
    ],
    logDriver: "json-file",
    logOpts: { "max-size": "10m", "max-file": "3" },
    ...started(args),
    ...(args.wait ? { wait: true, waitTimeout: HEALTHY_WITHIN_SECONDS * args.host.patience } : {}),
    destroyGraceSeconds: 10,
  };
}
