/** The properties of a container, as the official plugin has them. */
import type { ContainerArgs } from "@pulumi/docker";
import { durationFault } from "./durations.ts";
import {
  flag,
  labels,
  list,
  map,
  number,
  object,
  type Prop,
  type Schema,
  set,
  setOf,
  text,
  unsupported,
} from "./schema.ts";

const required = { required: true } as const;
/** Matters only while the plugin works, or can be changed on the running container. */
const update = { change: "update" } as const;

const oneOf = (...allowed: string[]) => ({
  validate: (value: string) =>
    allowed.includes(value) ? undefined : `must be one of ${allowed.join(", ")}, not ${value}`,
});
const atLeast = (least: number) => ({
  validate: (value: number) =>
    Number.isInteger(value) && value >= least ? undefined : `must be a whole number from ${least}`,
});
const matching = (pattern: RegExp, wanted: string) => ({
  validate: (value: string) => (pattern.test(value) ? undefined : `must be ${wanted}, not ${value}`),
});
const absolute = matching(/^\//, "an absolute path");
const portNumber = {
  validate: (value: number) =>
    Number.isInteger(value) && value >= 0 && value <= 65535 ? undefined : "must be a port number",
};
const duration = { validate: durationFault, default: "0s" } as const;

const upload = {
  file: text({ ...required, ...absolute }),
  content: text(),
  contentBase64: text(matching(/^[A-Za-z0-9+/]*={0,2}$/, "Base64")),
  source: text(),
  sourceHash: text(),
  executable: flag(),
  permissions: text(matching(/^0[0-7]{3}$/, 'four octal digits such as "0444"')),
  owner: text(),
  group: text(),
};

const network = {
  name: text(required),
  aliases: set(),
  ipv4Address: text(),
  ipv6Address: text(),
  linkLocalIps: set(),
  macAddress: text(),
  driverOpts: set(),
  gwPriority: unsupported,
};

const mount = {
  target: text({ ...required, ...absolute }),
  type: text({ ...required, ...oneOf("bind", "volume", "tmpfs") }),
  source: text(),
  readOnly: flag(),
  bindOptions: object({ propagation: text() }),
  tmpfsOptions: object({ mode: number(), sizeBytes: number() }),
  volumeOptions: object({
    driverName: text(),
    driverOptions: map(),
    labels,
    noCopy: flag(),
    subpath: unsupported,
  }),
};

const inputs = {
  attach: unsupported,
  logs: unsupported,
  gpus: unsupported,
  deviceCgroupRules: unsupported,
  deviceReadBps: unsupported,
  deviceReadIops: unsupported,
  deviceRequests: unsupported,
  deviceWriteBps: unsupported,
  deviceWriteIops: unsupported,

  containerReadRefreshTimeoutMilliseconds: number(update),
  destroyGraceSeconds: number({ ...update, ...atLeast(0) }),
  mustRun: flag({ ...update, default: true }),
  removeVolumes: flag({ ...update, default: true }),
  rm: flag(update),
  start: flag({ ...update, default: true }),
  wait: flag(update),
  waitTimeout: number({ ...update, default: 60, ...atLeast(1) }),

  cpuSet: text({ ...update, ...matching(/^\d+([,-]\d+)*$/, 'a list of CPUs such as "0-1"') }),
  cpuShares: number({ ...update, ...atLeast(0) }),
  maxRetryCount: number({ ...update, default: 0, ...atLeast(0) }),
  memory: number({ ...update, default: 0, ...atLeast(0) }),
  memorySwap: number({ ...update, default: 0, ...atLeast(-1) }),
  restart: text({ ...update, default: "no", ...oneOf("no", "on-failure", "always", "unless-stopped") }),

  capabilities: object({ adds: set(), drops: set() }),
  cgroupParent: text(),
  cgroupnsMode: text(oneOf("private", "host")),
  command: list(),
  cpuPeriod: number(atLeast(0)),
  cpuQuota: number(atLeast(0)),
  cpus: text(matching(/^\d+(\.\d+)?$/, 'a number of CPUs such as "0.5"')),
  devices: setOf({ hostPath: text(required), containerPath: text(), permissions: text({ default: "rwm" }) }),
  dns: set(),
  dnsOpts: set(),
  dnsSearches: set(),
  domainname: text(),
  entrypoints: list(),
  envs: set(),
  groupAdds: set(),
  healthcheck: object({
    tests: list(),
    interval: text(duration),
    timeout: text(duration),
    startPeriod: text(duration),
    startInterval: text(duration),
    retries: number({ default: 0, ...atLeast(0) }),
  }),
  hostname: text(),
  hosts: setOf({ host: text(required), ip: text(required) }),
  image: text(required),
  init: flag(),
  ipcMode: text(),
  labels,
  logDriver: text({ default: "json-file" }),
  logOpts: map(),
  memoryReservation: number(atLeast(0)),
  mounts: setOf(mount),
  name: text(matching(/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/, "two or more letters, digits, _ . -")),
  networkMode: text(),
  networksAdvanced: setOf(network),
  pidMode: text(),
  platform: text(),
  ports: setOf({
    internal: number({ ...required, ...portNumber }),
    external: number(portNumber),
    ip: text({ default: "0.0.0.0" }),
    protocol: text({ default: "tcp", ...oneOf("tcp", "udp", "sctp") }),
  }),
  privileged: flag(),
  publishAllPorts: flag(),
  readOnly: flag(),
  runtime: text(),
  securityOpts: set(),
  shmSize: number({ default: 64, ...atLeast(0) }),
  stdinOpen: flag(),
  stopSignal: text(),
  stopTimeout: number(atLeast(0)),
  storageOpts: map(),
  sysctls: map(),
  tmpfs: map(),
  tty: flag(),
  ulimits: setOf({ name: text(required), soft: number(required), hard: number(required) }),
  uploads: setOf(upload),
  user: text(),
  usernsMode: text(),
  volumes: setOf({
    containerPath: text(absolute),
    fromContainer: text(),
    hostPath: text(absolute),
    readOnly: flag(),
    selinuxRelabel: text(oneOf("z", "Z")),
    volumeName: text(),
  }),
  workingDir: text(),
} satisfies Record<keyof ContainerArgs, Prop>;

/** Containers. */
export const containerSchema: Schema = {
  token: "docker:index/container:Container",
  inputs,
  computed: [
    "bridge",
    "exitCode",
    "hostname",
    "networkDatas",
    "command",
    "entrypoints",
    "ipcMode",
    "runtime",
  ],
  named: true,
};
