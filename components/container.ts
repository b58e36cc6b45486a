/** How every container of the stack is run: named by the stack, and with as few rights as it can live with. */
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { MailHost } from "./mail-host.ts";
import type { ImageRef } from "./mail-images.ts";

export type Kind = "network" | "mail" | "queue" | "directory" | "zone" | "service" | "box";

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
  kind: "service" | "box";
  image: ImageRef;
  /** Fixed uid and gid of the image. */
  user: number;
  memoryMb: number;
  networks: Attachment[];
  envs?: pulumi.Input<string>[];
  /** Files of /settings by name. Secret. */
  files?: Record<string, pulumi.Input<string>>;
  /** Sizes of the writable folders in memory, such as `16m`. */
  tmpfs?: { run?: string; tmp?: string };
  volumes?: { volume: docker.Volume; path: string }[];
  ports?: PublishedPort[];
  /** Seconds between health checks. */
  healthEvery?: number;
  /** Wait until the container is healthy. */
  wait?: boolean;
}

const SETTINGS = "/settings";
const MOUNT = "rw,noexec,nosuid,nodev";

/** Makes the container: read-only root, no capabilities, no new privileges, a fixed user, a memory limit. */
export function serviceContainer(
  name: string,
  args: ServiceArgs,
  opts: pulumi.CustomResourceOptions,
): docker.Container {
  return new docker.Container(name, containerArgs(args), {
    ...opts,
    provider: args.host.provider,
    // The name and the fixed address are free only once the old container is gone.
    deleteBeforeReplace: true,
    dependsOn: dependencies(args.image, opts.dependsOn),
  });
}

function dependencies(image: ImageRef, more: pulumi.CustomResourceOptions["dependsOn"]) {
  const built = image.resource ? [image.resource] : [];
  return pulumi.output(more ?? []).apply((list) => [...built, ...(Array.isArray(list) ? list : [list])]);
}

function containerArgs(args: ServiceArgs): docker.ContainerArgs {
  const files = Object.entries(args.files ?? {});
  return {
    name: `${args.host.prefix}-${args.name}`,
    hostname: args.name,
    image: args.image.tag,
    user: `${args.user}:${args.user}`,
    readOnly: true,
    capabilities: { drops: ["ALL"] },
    securityOpts: ["no-new-privileges:true"],
    memory: args.memoryMb,
    memorySwap: args.memoryMb,
    restart: "unless-stopped",
    envs: args.envs ?? [],
    tmpfs: {
      "/run": `${MOUNT},size=${args.tmpfs?.run ?? "8m"},uid=${args.user},gid=${args.user},mode=0750`,
      "/tmp": `${MOUNT},size=${args.tmpfs?.tmp ?? "16m"},mode=1777`,
    },
    labels: labels(args.host.prefix, args.kind),
    networksAdvanced: args.networks.map(({ network, alias, ipv4 }) => ({
      name: network.name,
      aliases: [alias],
      ...(ipv4 === undefined ? {} : { ipv4Address: ipv4 }),
    })),
    ports: (args.ports ?? []).map((port) => ({ ...port, protocol: "tcp" })),
    volumes: [
      ...(args.volumes ?? []).map(({ volume, path }) => ({ volumeName: volume.name, containerPath: path })),
      // Without a name: goes with the container. Files can be copied into a volume even if the root is read-only.
      ...(files.length > 0 ? [{ containerPath: SETTINGS }] : []),
    ],
    uploads: pulumi.secret(files.map(([file, content]) => ({ file: `${SETTINGS}/${file}`, content }))),
    logDriver: "json-file",
    logOpts: { "max-size": "10m", "max-file": "3" },
    healthcheck: {
      tests: ["CMD", "/usr/local/bin/healthcheck"],
      interval: `${args.healthEvery ?? 5}s`,
      timeout: "5s",
      startPeriod: "10s",
      retries: 6,
    },
    wait: args.wait ?? false,
    waitTimeout: 60,
    destroyGraceSeconds: 10,
  };
}
