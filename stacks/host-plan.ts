/** Where the system is put, worked out of `semail:host`: pure. */
import { isIPv4 } from "node:net";
import { bare, type Network, sshPlace } from "../components/providers/libvirt-vm/network.ts";
import type { Host, HostAccess } from "./schema-host.ts";
import type { Vm } from "./schema-libvirt.ts";
import { parseSize } from "./size.ts";

type HostOf<Kind extends Host["kind"]> = Extract<Host, { kind: Kind }>;
/** By where the config has them. */
type PublishedPorts = Readonly<Record<string, number>>;

/** The machine, and what follows from its kind. */
export interface HostPlan {
  readonly kind: Host["kind"];
  /** Addresses of the host on which ports are published. */
  readonly binds: readonly string[];
  /** The public addresses, for the DNS records. */
  readonly address: string | undefined;
  readonly address6: string | undefined;
  /** Where this machine reaches the published ports; may be an address that stands for every one. */
  readonly reach: string;
  /** Undefined for this machine. */
  readonly remote: RemotePlan | undefined;
  /** The machine that the stack makes itself: what `remote` leads to. */
  readonly vm: VmPlan | undefined;
}

/** Another machine. */
export interface RemotePlan {
  readonly login: HostLogin;
  /** Whether what is missing may be installed. */
  readonly install: boolean;
  readonly firewall: boolean;
}

/** How to log in; `hostKey` is undefined where the stack makes the key. */
export type HostLogin = Omit<HostAccess, "hostKey"> & { readonly hostKey: string | undefined };

/** A VM of this machine's libvirt. */
export interface VmPlan {
  /** Undefined: as the stack's things are called. */
  readonly name: string | undefined;
  readonly folder: string | undefined;
  readonly vcpus: number;
  readonly memoryMiB: number;
  readonly systemGiB: number;
  readonly dataGiB: number;
  readonly network: Network;
  readonly authorizedKeys: readonly string[];
  readonly edition: string;
  readonly autostart: boolean;
  readonly accelerator: Vm["accelerator"];
  readonly bootSeconds: number;
}

const EVERY = "0.0.0.0";
const SSH_PORT = 22;

/** The plan for `host`, on which `ports` are published. */
export function planHost(host: Host, ports: PublishedPorts): HostPlan {
  if (host.kind === "local") return planLocal(host);
  return host.kind === "ssh" ? planSsh(host) : planLibvirt(host, ports);
}

function planLocal({ kind, bind, bind6, address, address6 }: HostOf<"local">): HostPlan {
  return {
    ...{ kind, binds: bindsOf(bind, bind6), address, address6, reach: bind },
    ...{ remote: undefined, vm: undefined },
  };
}

function planSsh(host: HostOf<"ssh">): HostPlan {
  const { kind, address6, ssh: login, bind, install, firewall } = host;
  return {
    kind,
    // An address that the records tell of is one to listen on.
    binds: bindsOf(bind, host.bind6 ?? (address6 && "::")),
    address: host.address ?? (isIPv4(login.address) ? login.address : undefined),
    address6,
    reach: bind === EVERY ? login.address : bind,
    remote: { login, install, firewall },
    vm: undefined,
  };
}

function planLibvirt({ kind, vm, firewall, ...host }: HostOf<"libvirt">, ports: PublishedPorts): HostPlan {
  const network = planVmNetwork(vm, ports);
  const ssh = sshPlace(network);
  // Elsewhere its address is for this machine alone.
  const onBridge = vm.network.kind === "bridge" ? vm.network : undefined;
  const address6 = host.address6 ?? (onBridge?.address6 && bare(onBridge.address6));
  const { name, folder, vcpus, sshKeys, identity, edition, autostart, accelerator, bootSeconds } = vm;
  return {
    kind,
    binds: bindsOf(EVERY, address6 && "::"),
    address: host.address ?? (onBridge && bare(onBridge.address)),
    address6,
    reach: vm.network.kind === "user" ? vm.network.bind : ssh.address,
    // The system is made with all that is needed.
    remote: { login: { ...ssh, user: "root", identity, hostKey: undefined }, install: false, firewall },
    vm: {
      ...{ name, folder, vcpus, network, edition, autostart, accelerator, bootSeconds },
      memoryMiB: inUnits(vm.memory, "MB"),
      systemGiB: inUnits(vm.systemDisk, "GB"),
      dataGiB: inUnits(vm.dataDisk, "GB"),
      authorizedKeys: sshKeys,
    },
  };
}

/** As the VM's resources are told it: forwards in place of the stack's ports. */
function planVmNetwork({ network }: Vm, ports: PublishedPorts): Network {
  if (network.kind !== "user") return network;
  const { kind, isolated, bind, sshPort } = network;
  const published = neededPorts(ports, { binds: [EVERY] }).filter(({ binds }) => binds[0] === EVERY);
  return {
    kind,
    isolated,
    forwards: [
      { address: "127.0.0.1", hostPort: sshPort, guestPort: SSH_PORT },
      ...published.map(({ port }) => ({ address: bind, hostPort: port, guestPort: port })),
    ],
  };
}

const inUnits = (size: string, unit: "MB" | "GB"): number =>
  (parseSize(size) ?? Number.NaN) / (parseSize(`1${unit}`) ?? 1);

const bindsOf = (bind: string, bind6: string | undefined): string[] =>
  bind6 === undefined ? [bind] : [bind, bind6];

/** Ports of the host that the stack publishes, by where the config has them. */
export function neededPorts(
  ports: PublishedPorts,
  { binds }: Pick<HostPlan, "binds">,
): { path: string; port: number; binds: readonly string[] }[] {
  return Object.entries(ports).flatMap(([name, port]) => {
    // The name server's API is for stacks on this machine.
    if (name === "dnsApi") return [];
    return [{ path: `ports.${name}`, port, binds: name === "ldap" ? ["127.0.0.1"] : binds }];
  });
}

/** How a machine far away is logged in to; undefined for this machine, and for one that the stack makes. */
export function knownAccess({ remote }: Pick<HostPlan, "remote">): HostAccess | undefined {
  const { login } = remote ?? {};
  return login?.hostKey === undefined ? undefined : { ...login, hostKey: login.hostKey };
}

/** Where the connection to a stack's host is kept. Relative, so that the state doesn't tell where the checkout is. */
export const hostFolder = (stack: string): string => `.semail/ssh/${stack}`;
