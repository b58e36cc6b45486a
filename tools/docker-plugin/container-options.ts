/** A container's properties as the Engine API takes them. Pure. */
import type { ContainerArgs } from "@pulumi/docker";
import type { Unwrap } from "@pulumi/pulumi";
import type Docker from "dockerode";
import { nanoseconds } from "./durations.ts";
import { labelMap, URN_LABEL } from "./resource.ts";

/** The properties of a container, checked. */
export type ContainerProps = Unwrap<ContainerArgs> & { name: string };
type Network = NonNullable<ContainerProps["networksAdvanced"]>[number];
type Mount = NonNullable<ContainerProps["mounts"]>[number];

const MEBIBYTE = 1024 * 1024;

/** What to create. Networks after the first are connected before the start, see {@link furtherNetworks}. */
export function createOptions(props: ContainerProps, urn: string): Docker.ContainerCreateOptions {
  const [first] = props.networksAdvanced ?? [];
  return defined({
    name: props.name,
    platform: props.platform,
    Image: props.image,
    Hostname: props.hostname,
    Domainname: props.domainname,
    User: props.user,
    Tty: props.tty,
    OpenStdin: props.stdinOpen,
    Env: props.envs,
    Cmd: filled(props.command),
    Entrypoint: filled(props.entrypoints),
    WorkingDir: props.workingDir,
    StopSignal: props.stopSignal,
    StopTimeout: props.stopTimeout,
    Labels: { ...labelMap(props.labels), [URN_LABEL]: urn },
    Healthcheck: healthcheck(props.healthcheck),
    ExposedPorts: filled(exposedPorts(props)),
    Volumes: filled(anonymousVolumes(props)),
    HostConfig: hostConfig(props),
    NetworkingConfig: first && { EndpointsConfig: { [first.name]: endpoint(first) } },
  });
}

/** The networks to connect once the container exists: the API takes one at creation. */
export function furtherNetworks(
  props: ContainerProps,
): { name: string; endpoint: Docker.EndpointSettings }[] {
  return (props.networksAdvanced ?? [])
    .slice(1)
    .map((each) => ({ name: each.name, endpoint: endpoint(each) }));
}

function endpoint(network: Network): Docker.EndpointSettings {
  return defined({
    Aliases: filled(network.aliases),
    MacAddress: network.macAddress,
    DriverOpts: filled(assignments(network.driverOpts)),
    IPAMConfig: filled(
      defined({
        IPv4Address: network.ipv4Address,
        IPv6Address: network.ipv6Address,
        LinkLocalIPs: filled(network.linkLocalIps),
      }),
    ),
  });
}

function hostConfig(props: ContainerProps): Docker.HostConfig {
  const [first] = props.networksAdvanced ?? [];
  return defined({
    ...resources(props),
    ...isolation(props),
    NetworkMode: props.networkMode ?? first?.name,
    AutoRemove: props.rm,
    ReadonlyRootfs: props.readOnly,
    Init: props.init,
    Binds: filled(binds(props)),
    Mounts: filled((props.mounts ?? []).map(mount)) as Docker.MountConfig | undefined,
    VolumesFrom: filled((props.volumes ?? []).flatMap(({ fromContainer }) => fromContainer ?? [])),
    Tmpfs: props.tmpfs,
    PortBindings: filled(portBindings(props)),
    PublishAllPorts: props.publishAllPorts,
    Dns: filled(props.dns),
    DnsOptions: filled(props.dnsOpts),
    DnsSearch: filled(props.dnsSearches),
    ExtraHosts: filled((props.hosts ?? []).map(({ host, ip }) => `${host}:${ip}`)),
    LogConfig:
      props.logDriver === undefined && props.logOpts === undefined
        ? undefined
        : { Type: props.logDriver ?? "json-file", Config: props.logOpts ?? {} },
    Devices: filled(
      (props.devices ?? []).map(({ hostPath, containerPath, permissions }) => ({
        PathOnHost: hostPath,
        PathInContainer: containerPath ?? hostPath,
        CgroupPermissions: permissions ?? "rwm",
      })),
    ),
  });
}

function isolation(props: ContainerProps): Docker.HostConfig & { CgroupnsMode?: string | undefined } {
  return {
    CapAdd: filled(props.capabilities?.adds),
    CapDrop: filled(props.capabilities?.drops),
    SecurityOpt: filled(props.securityOpts),
    Privileged: props.privileged,
    GroupAdd: filled(props.groupAdds),
    IpcMode: props.ipcMode,
    PidMode: props.pidMode,
    UsernsMode: props.usernsMode,
    CgroupnsMode: props.cgroupnsMode,
    CgroupParent: props.cgroupParent,
    Runtime: props.runtime,
    Sysctls: props.sysctls,
  };
}

function resources(props: ContainerProps): Docker.HostConfig {
  return {
    ...limits(props),
    MemoryReservation: mebibytes(props.memoryReservation),
    ShmSize: mebibytes(props.shmSize),
    CpuPeriod: props.cpuPeriod,
    CpuQuota: props.cpuQuota,
    NanoCpus: props.cpus === undefined ? undefined : Math.round(Number(props.cpus) * 1e9),
    StorageOpt: props.storageOpts,
    Ulimits: filled(
      (props.ulimits ?? []).map(({ name, soft, hard }) => ({ Name: name, Soft: soft, Hard: hard })),
    ),
  };
}

/** What can change on a running container. */
export interface Limits {
  readonly Memory?: number | undefined;
  readonly MemorySwap?: number | undefined;
  readonly CpuShares?: number | undefined;
  readonly CpusetCpus?: string | undefined;
  readonly RestartPolicy: { Name: string; MaximumRetryCount: number };
}

function limits(props: ContainerProps): Limits {
  return {
    Memory: mebibytes(props.memory),
    MemorySwap: mebibytes(props.memorySwap),
    CpuShares: props.cpuShares,
    CpusetCpus: props.cpuSet,
    RestartPolicy: { Name: props.restart ?? "no", MaximumRetryCount: props.maxRetryCount ?? 0 },
  };
}

/** The new limits of a running container, with what the engine would have chosen for those left out. */
export function updateOptions(props: ContainerProps): Limits {
  const wanted = limits(props);
  const memory = wanted.Memory ?? 0;
  // The engine keeps the swap limit that it derived at creation, and refuses more memory than that.
  const swap = wanted.MemorySwap ?? (memory > 0 ? 2 * memory : -1);
  return {
    ...wanted,
    Memory: memory,
    MemorySwap: swap,
    CpuShares: wanted.CpuShares ?? 0,
    CpusetCpus: wanted.CpusetCpus ?? "",
  };
}

function healthcheck(check: ContainerProps["healthcheck"]): Docker.HealthConfig | undefined {
  if (check === undefined) return undefined;
  const time = (value: string | undefined): number | undefined =>
    value === undefined ? undefined : nanoseconds(value);
  return defined({
    Test: filled(check.tests),
    Interval: time(check.interval),
    Timeout: time(check.timeout),
    StartPeriod: time(check.startPeriod),
    StartInterval: time(check.startInterval),
    Retries: check.retries,
  });
}

function portKey(port: { internal: number; protocol?: string | undefined }): string {
  return `${port.internal}/${port.protocol ?? "tcp"}`;
}

function exposedPorts(props: ContainerProps): Record<string, Record<string, never>> {
  return Object.fromEntries((props.ports ?? []).map((port) => [portKey(port), {}]));
}

function portBindings(props: ContainerProps): Record<string, { HostIp: string; HostPort: string }[]> {
  const bindings: Record<string, { HostIp: string; HostPort: string }[]> = {};
  for (const port of props.ports ?? []) {
    const key = portKey(port);
    bindings[key] ??= [];
    bindings[key].push({
      HostIp: port.ip ?? "0.0.0.0",
      HostPort: port.external === undefined ? "" : String(port.external),
    });
  }
  return bindings;
}

function binds(props: ContainerProps): string[] {
  return (props.volumes ?? []).flatMap(
    ({ volumeName, hostPath, containerPath, readOnly, selinuxRelabel }) => {
      const source = volumeName ?? hostPath;
      if (source === undefined || containerPath === undefined) return [];
      const options = [
        readOnly === true ? "ro" : "rw",
        ...(selinuxRelabel === undefined ? [] : [selinuxRelabel]),
      ];
      return [`${source}:${containerPath}:${options.join(",")}`];
    },
  );
}

function anonymousVolumes(props: ContainerProps): Record<string, Record<string, never>> {
  const anonymous = (props.volumes ?? []).flatMap(({ volumeName, hostPath, fromContainer, containerPath }) =>
    volumeName === undefined && hostPath === undefined && fromContainer === undefined
      ? (containerPath ?? [])
      : [],
  );
  return Object.fromEntries(anonymous.map((path) => [path, {}]));
}

function mount(each: Mount): object {
  const { volumeOptions, tmpfsOptions, bindOptions } = each;
  return defined({
    Type: each.type,
    Target: each.target,
    Source: each.source,
    ReadOnly: each.readOnly,
    BindOptions: bindOptions && defined({ Propagation: bindOptions.propagation }),
    TmpfsOptions: tmpfsOptions && defined({ SizeBytes: tmpfsOptions.sizeBytes, Mode: tmpfsOptions.mode }),
    VolumeOptions:
      volumeOptions &&
      defined({
        NoCopy: volumeOptions.noCopy,
        Labels: labelMap(volumeOptions.labels),
        DriverConfig:
          volumeOptions.driverName === undefined
            ? undefined
            : { Name: volumeOptions.driverName, Options: volumeOptions.driverOptions ?? {} },
      }),
  });
}

function assignments(lines: readonly string[] | undefined): Record<string, string> {
  return Object.fromEntries(
    (lines ?? []).map((line) => [line.split("=", 1)[0] ?? "", line.slice(line.indexOf("=") + 1)]),
  );
}

function mebibytes(size: number | undefined): number | undefined {
  // -1 means without limit and is no size.
  return size === undefined || size < 0 ? size : size * MEBIBYTE;
}

function filled<T extends object>(value: T | undefined): T | undefined {
  return value === undefined || Object.keys(value).length === 0 ? undefined : value;
}

function defined<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as T;
}
