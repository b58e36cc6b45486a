/** Where the system is put, worked out of `semail:host`: pure. */
import { isIPv4 } from "node:net";
import type { Host, HostAccess } from "./schema-host.ts";

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
}

/** Another machine. */
export interface RemotePlan {
  readonly access: HostAccess;
  /** Whether what is missing may be installed. */
  readonly install: boolean;
  readonly firewall: boolean;
}

const EVERY = "0.0.0.0";

/** The plan for `host`. */
export function planHost(host: Host): HostPlan {
  const { kind, address6 } = host;
  if (host.kind === "local") {
    const { bind, bind6, address } = host;
    return { kind, binds: bindsOf(bind, bind6), address, address6, reach: bind, remote: undefined };
  }
  const { ssh: access, bind, install, firewall } = host;
  return {
    kind,
    // An address that the records tell of is one to listen on.
    binds: bindsOf(bind, host.bind6 ?? (address6 && "::")),
    address: host.address ?? (isIPv4(access.address) ? access.address : undefined),
    address6,
    reach: bind === EVERY ? access.address : bind,
    remote: { access, install, firewall },
  };
}

const bindsOf = (bind: string, bind6: string | undefined): string[] =>
  bind6 === undefined ? [bind] : [bind, bind6];

/** Ports of the host that the stack publishes, by where the config has them. */
export function neededPorts(
  ports: Readonly<Record<string, number>>,
  { binds }: Pick<HostPlan, "binds">,
): { path: string; port: number; binds: readonly string[] }[] {
  return Object.entries(ports).flatMap(([name, port]) => {
    // The name server's API is for stacks on this machine.
    if (name === "dnsApi") return [];
    return [{ path: `ports.${name}`, port, binds: name === "ldap" ? ["127.0.0.1"] : binds }];
  });
}

/** Where the connection to a stack's host is kept. Relative, so that the state doesn't tell where the checkout is. */
export const hostFolder = (stack: string): string => `.semail/ssh/${stack}`;
