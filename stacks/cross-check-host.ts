/** What the rest of the stack config asks of the host. Pure, and tolerant of parts that are malformed. */
import type { Problem } from "./cross-check.ts";
import { planHost } from "./host-plan.ts";
import { Ports } from "./schema.ts";
import { Host } from "./schema-host.ts";

type Raw = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The address of the DNS records; of a host that can't be read, the one that it names. */
export function publicAddress(raw: unknown): unknown {
  const host = Host.safeParse(raw ?? {});
  if (host.success) return planHost(host.data, {}).address;
  return isObject(raw) ? raw.address : undefined;
}

/** What a host far away can't do. */
export function checkHost({ host: raw, dns, portal, ports }: Raw): Problem[] {
  const host = Host.safeParse(raw ?? {});
  if (!host.success || host.data.kind === "local") return [];
  return [
    ...checkForwards(host.data, ports),
    ...(planHost(host.data, {}).address === undefined
      ? [
          {
            path: "host.address",
            message: "is missing: the host's public IPv4 address, for the DNS records",
          },
        ]
      : []),
    ...(isObject(dns) && dns.provider === "dev"
      ? [
          {
            path: "dns.provider",
            message:
              "dev is for host.kind local: elsewhere nobody reaches its name server; use gandi, or none and enter the records that `npm run up` prints",
          },
        ]
      : []),
    ...(isObject(portal) && portal.enabled === true
      ? [
          {
            path: "portal.enabled",
            message:
              "needs host.kind local: the operator works on this checkout, which that host hasn't; set it to false (docs/operations.md, Without the portal), or run Semail on the host itself",
          },
        ]
      : []),
  ];
}

/** A VM's sshd has a port of this machine, like the stack's services. */
function checkForwards(host: Host, raw: unknown): Problem[] {
  const ports = Ports.safeParse(raw ?? {});
  if (host.kind !== "libvirt" || host.vm.network.kind !== "user" || !ports.success) return [];
  const { sshPort } = host.vm.network;
  const taken = Object.entries(ports.data).find(([, port]) => port === sshPort);
  return taken
    ? [{ path: "host.vm.network.sshPort", message: `${sshPort} is already ports.${taken[0]}` }]
    : [];
}
