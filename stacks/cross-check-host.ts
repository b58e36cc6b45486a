/** What the rest of the stack config asks of the host. Pure, and tolerant of parts that are malformed. */
import type { Problem } from "./cross-check.ts";
import { planHost } from "./host-plan.ts";
import { Host } from "./schema-host.ts";

type Raw = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The address of the DNS records; of a host that can't be read, the one that it names. */
export function publicAddress(raw: unknown): unknown {
  const host = Host.safeParse(raw ?? {});
  if (host.success) return planHost(host.data).address;
  return isObject(raw) ? raw.address : undefined;
}

/** What a host far away can't do. */
export function checkHost({ host: raw, dns, portal }: Raw): Problem[] {
  const host = Host.safeParse(raw ?? {});
  if (!host.success || host.data.kind === "local") return [];
  return [
    ...(planHost(host.data).address === undefined
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
              "dev is for host.kind local: elsewhere nobody reaches its name server; use none or gandi",
          },
        ]
      : []),
    ...(isObject(portal) && portal.enabled === true
      ? [
          {
            path: "portal.enabled",
            message:
              "needs host.kind local: the operator works on this checkout, which that host hasn't; run Semail on the host itself for a portal",
          },
        ]
      : []),
  ];
}
