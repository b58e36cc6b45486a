/** What the engine says of a container, as a program sees it. Pure. */
import type Docker from "dockerode";
import { type ContainerProps, updateOptions } from "./container-options.ts";
import { goDuration } from "./durations.ts";
import { labelList } from "./resource.ts";
import { type Props, withoutUndefined } from "./values.ts";

type Info = Docker.ContainerInspectInfo;

const MEBIBYTE = 1024 * 1024;

/** What only the engine knows. */
export function computedOutputs(info: Info): Props {
  return withoutUndefined({
    name: nameOf(info),
    bridge: (info.NetworkSettings as { Bridge?: string }).Bridge ?? "",
    hostname: info.Config.Hostname,
    command: info.Config.Cmd ?? [],
    entrypoints: [info.Config.Entrypoint ?? []].flat(),
    exitCode: info.State.Running ? undefined : info.State.ExitCode,
    ipcMode: info.HostConfig.IpcMode,
    runtime: info.HostConfig.Runtime,
    networkDatas: networkDatas(info),
  });
}

function nameOf(info: Info): string {
  return info.Name.replace(/^\//, "");
}

function networkDatas(info: Info): Props[] {
  return Object.entries(info.NetworkSettings.Networks)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([networkName, network]) => ({
      networkName,
      ipAddress: network.IPAddress,
      ipPrefixLength: network.IPPrefixLen,
      gateway: network.Gateway,
      macAddress: network.MacAddress,
      globalIpv6Address: network.GlobalIPv6Address,
      globalIpv6PrefixLength: network.GlobalIPv6PrefixLen,
      ipv6Gateway: network.IPv6Gateway,
    }));
}

/** The ports with the external ones that the engine chose where none were given. */
export function portsWithExternal(ports: ContainerProps["ports"], info: Info): Props[] | undefined {
  return ports?.map((port) => {
    const key = `${port.internal}/${port.protocol ?? "tcp"}`;
    const bound = info.NetworkSettings.Ports[key]?.[0]?.HostPort;
    return withoutUndefined({
      ...port,
      ip: port.ip ?? "0.0.0.0",
      protocol: port.protocol ?? "tcp",
      external: port.external ?? (bound === undefined ? undefined : Number(bound)),
    });
  });
}

/** The inputs with what somebody changed by hand, so that the next update puts it right. */
export function withDrift(inputs: Props, info: Info): Props {
  const props = inputs as unknown as ContainerProps;
  const { RestartPolicy: policy, ...wanted } = updateOptions(props);
  const { HostConfig: host } = info;
  const kept = props.mustRun !== false && props.start !== false;
  // As a program writes them: what is, and what is wanted.
  const pairs: Record<string, readonly [unknown, unknown]> = {
    memory: [mebibytes(host.Memory), mebibytes(wanted.Memory)],
    cpuShares: [host.CpuShares ?? 0, wanted.CpuShares],
    cpuSet: [host.CpusetCpus ?? "", wanted.CpusetCpus],
    restart: [host.RestartPolicy?.Name || "no", policy.Name],
    // A container that ought to run and doesn't: the update that puts it right starts it again.
    mustRun: [!(kept && isDown(info)), true],
    networksAdvanced: attachments(props, info),
    ...(props.memorySwap === undefined
      ? {}
      : { memorySwap: [mebibytes(host.MemorySwap), mebibytes(wanted.MemorySwap)] }),
  };
  const drifted = Object.entries(pairs).filter(([, [actual, expected]]) => actual !== expected);
  return { ...inputs, ...Object.fromEntries(drifted.map(([name, [actual]]) => [name, actual])) };
}

function mebibytes(size: number | undefined): number {
  return size === undefined || size < 0 ? (size ?? 0) : size / MEBIBYTE;
}

/** The networks it is still connected to, and those that it should be; the same list if they agree. */
function attachments(props: ContainerProps, info: Info): readonly [unknown, unknown] {
  const wanted = props.networksAdvanced ?? [];
  const attached = stillAttached(props, info);
  return attached.length === wanted.length ? [wanted, wanted] : [attached, wanted];
}

function stillAttached(props: ContainerProps, info: Info): NonNullable<ContainerProps["networksAdvanced"]> {
  const networks = info.NetworkSettings.Networks;
  const ids = Object.values(networks).map((network) => network.NetworkID);
  return (props.networksAdvanced ?? []).filter(({ name }) => name in networks || ids.includes(name));
}

/** Whether nothing of it runs, nor will by itself. */
export function isDown(info: Pick<Info, "State">): boolean {
  return !info.State.Running && !info.State.Restarting;
}

/** A container's properties as a program would write them: those that can be told from its image's. */
export function importedInputs(info: Info, image: Docker.ImageInspectInfo | undefined): Props {
  const { Config: config, HostConfig: host } = info;
  const same = (a: unknown, b: unknown): boolean => JSON.stringify(a ?? null) === JSON.stringify(b ?? null);
  const own = <T>(value: T, ofImage: unknown): T | undefined => (same(value, ofImage) ? undefined : value);
  const labels = labelList(config.Labels).filter(
    ({ label, value }) => image?.Config.Labels?.[label] !== value,
  );
  const envs = (config.Env ?? []).filter((env) => !(image?.Config.Env ?? []).includes(env));
  const inherited = image?.Config;
  return filledOnly({
    name: nameOf(info),
    image: config.Image,
    command: own(config.Cmd, inherited?.Cmd),
    entrypoints: own(config.Entrypoint, inherited?.Entrypoint),
    user: own(config.User, inherited?.User),
    workingDir: own(config.WorkingDir, inherited?.WorkingDir),
    hostname: info.Id.startsWith(config.Hostname) ? undefined : config.Hostname,
    envs,
    labels,
    healthcheck: healthcheck(config, inherited),
    restart: host.RestartPolicy?.Name === "no" ? undefined : host.RestartPolicy?.Name,
    memory: mebibytes(host.Memory) || undefined,
    readOnly: host.ReadonlyRootfs || undefined,
    privileged: host.Privileged || undefined,
    init: host.Init || undefined,
    tmpfs: host.Tmpfs,
    securityOpts: host.SecurityOpt,
    capabilities: filledOnly({ adds: host.CapAdd, drops: host.CapDrop }),
    ports: importedPorts(host.PortBindings),
    volumes: importedVolumes(info),
    networksAdvanced: importedNetworks(info),
  });
}

function healthcheck(config: Info["Config"], ofImage: unknown): Props | undefined {
  const { Healthcheck: check } = config as { Healthcheck?: Docker.HealthConfig };
  const { Healthcheck: inherited } = (ofImage ?? {}) as { Healthcheck?: Docker.HealthConfig };
  if (check === undefined || JSON.stringify(check) === JSON.stringify(inherited)) return undefined;
  const time = (value: number | undefined): string | undefined =>
    value === undefined ? undefined : goDuration(value);
  return filledOnly({
    tests: check.Test,
    interval: time(check.Interval),
    timeout: time(check.Timeout),
    startPeriod: time(check.StartPeriod),
    retries: check.Retries,
  });
}

function importedPorts(
  bindings: Record<string, { HostIp: string; HostPort: string }[] | null> | undefined,
): Props[] {
  return Object.entries(bindings ?? {}).flatMap(([key, bound]) => {
    const [internal, protocol] = key.split("/");
    return (bound ?? []).map(({ HostIp, HostPort }) =>
      filledOnly({
        internal: Number(internal),
        external: HostPort === "" ? undefined : Number(HostPort),
        ip: HostIp === "0.0.0.0" ? undefined : HostIp,
        protocol: protocol === "tcp" ? undefined : protocol,
      }),
    );
  });
}

function importedVolumes(info: Info): Props[] {
  const named = (info.HostConfig.Binds ?? []).map((bind) => {
    const [source = "", containerPath, options] = bind.split(":");
    const origin = source.startsWith("/") ? { hostPath: source } : { volumeName: source };
    return filledOnly({
      ...origin,
      containerPath,
      readOnly: options?.split(",").includes("ro") || undefined,
    });
  });
  const paths = new Set(named.map((volume) => volume.containerPath));
  const anonymous = info.Mounts.filter((mount) => mount.Type === "volume" && !paths.has(mount.Destination));
  return [...named, ...anonymous.map((mount) => ({ containerPath: mount.Destination }))];
}

function importedNetworks(info: Info): Props[] {
  return Object.entries(info.NetworkSettings.Networks)
    .filter(([name]) => name !== "bridge")
    .map(([name, network]) =>
      filledOnly({
        name,
        // The engine adds the container's short id by itself.
        aliases: (network.Aliases ?? []).filter((alias: string) => !info.Id.startsWith(alias)),
        ipv4Address: network.IPAMConfig?.IPv4Address,
        ipv6Address: network.IPAMConfig?.IPv6Address,
      }),
    );
}

function filledOnly(props: Props): Props {
  return Object.fromEntries(
    Object.entries(props).filter(
      ([, value]) =>
        value !== undefined &&
        value !== null &&
        value !== "" &&
        (typeof value !== "object" || Object.keys(value).length > 0),
    ),
  );
}
