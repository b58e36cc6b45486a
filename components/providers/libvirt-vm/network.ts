/** How a VM is on the network: what the config may say, and what guest and domain are told. Pure. */
import { z } from "zod";

const port = z.int("must be a port from 1 to 65535").min(1).max(65_535);
const SSH_PORT = 22;

const forward = z.strictObject({
  address: z.ipv4().default("127.0.0.1"),
  hostPort: port,
  guestPort: port,
});

const ADDRESS = "must be an address with its prefix, such as 192.0.2.25/24";
const ADDRESS6 = "must be an address with its prefix, such as 2001:db8::25/64";

/** Addresses that the guest has for good: nothing asks who got which lease. */
const fixed = {
  address: z
    .cidrv4(ADDRESS)
    .describe(
      "The VM's IPv4 address with its prefix, such as `192.0.2.25/24`; outside of what DHCP gives away.",
    ),
  gateway: z.ipv4("must be an IPv4 address").describe("The router's IPv4 address there."),
  address6: z.cidrv6(ADDRESS6).optional().describe("As `address`, for IPv6."),
  gateway6: z.ipv6("must be an IPv6 address").optional().describe("As `gateway`, for IPv6."),
  nameservers: z
    .array(z.union([z.ipv4(), z.ipv6()], "must be an IP address"))
    .min(1, "at least one name server")
    .describe("Addresses of the name servers that the VM asks for Debian's mirror and the registry."),
};

/** A bridge's or network's name: goes into XML and command lines. */
const deviceName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, "must be the name of a bridge or network");

/** Beside this machine, on one of its bridges. */
export const BridgeNetwork = z.strictObject({
  kind: z.literal("bridge").describe("`bridge`: on a bridge of this machine, with an address of its own."),
  bridge: deviceName.describe("The bridge, such as `br0`."),
  ...fixed,
});

/** On a network that libvirt keeps. */
export const LibvirtNetwork = z.strictObject({
  kind: z.literal("network").describe("`network`: on a network of libvirt's."),
  network: deviceName.describe("The network, such as `default`."),
  ...fixed,
});

export const Network = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("user"),
    /** No way out but the answers of what is forwarded. */
    isolated: z.boolean().default(false),
    forwards: z
      .array(forward)
      .refine(
        (list) => list.some(({ guestPort }) => guestPort === SSH_PORT),
        "must forward a port to 22 (ssh)",
      ),
  }),
  LibvirtNetwork,
  BridgeNetwork,
]);
export type Network = z.output<typeof Network>;

/** Where ssh answers. */
export function sshPlace(network: Network): { address: string; port: number } {
  if (network.kind !== "user") return { address: bare(network.address), port: SSH_PORT };
  const to = network.forwards.find(({ guestPort }) => guestPort === SSH_PORT);
  if (!to) throw new RangeError("no forward to ssh");
  return { address: to.address, port: to.hostPort };
}

/** The address of an address with its prefix. */
export const bare = (cidr: string): string => cidr.slice(0, cidr.indexOf("/"));

/** qemu's user-mode network is always this one. */
const USER_MODE = { address: "10.0.2.15/24", gateway: "10.0.2.2", nameservers: ["10.0.2.3"] };

/** The guest's systemd.network file. */
export function networkFile(network: Network): string {
  const { address, gateway } = network.kind === "user" ? USER_MODE : network;
  const six = network.kind === "user" ? {} : network;
  const lines = [
    ...["[Match]", "Name=en* eth*", "[Network]", "DHCP=no", `Address=${address}`, `Gateway=${gateway}`],
    ...("address6" in six && six.address6 ? [`Address=${six.address6}`] : ["LinkLocalAddressing=no"]),
    ...("gateway6" in six && six.gateway6 ? [`Gateway=${six.gateway6}`] : []),
    "IPv6AcceptRA=no",
  ];
  return `${lines.join("\n")}\n`;
}

/** The guest's resolv.conf(5). */
export function resolvConf(network: Network): string {
  const { nameservers } = network.kind === "user" ? USER_MODE : network;
  return nameservers.map((server) => `nameserver ${server}\n`).join("");
}

/** The argument of qemu's `-netdev` for a user-mode network. */
export function userNetdev(network: Extract<Network, { kind: "user" }>, id: string): string {
  const forwards = network.forwards.map(
    ({ address, hostPort, guestPort }) => `hostfwd=tcp:${address}:${hostPort}-:${guestPort}`,
  );
  return ["user", `id=${id}`, `restrict=${network.isolated ? "on" : "off"}`, ...forwards].join(",");
}
