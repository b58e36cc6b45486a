/** The part of the stack config about the machine that carries the mail system. One schema per kind of host. */
import { isIP } from "node:net";
import { z } from "zod";
import { identity, ipv4, ipv6, port } from "./schema-fields.ts";
import { Vm } from "./schema-libvirt.ts";

/** What every kind says of the addresses under which the services are reached. */
export const published = {
  address: ipv4.optional(),
  bind6: ipv6
    .optional()
    .describe(
      "The IPv6 address on which ports are published, too; `::`: every one. The services' network then has IPv6 as well.",
    ),
  address6: ipv6
    .optional()
    .describe(
      "The host's public IPv6 address, if the services are reached under it, too. Makes AAAA records.",
    ),
};

const LOCAL_ADDRESS =
  "The public address of the host, for the DNS records. Default: the containers' own addresses, for use on one machine.";

export const LocalHost = z.strictObject({
  kind: z
    .literal("local")
    .default("local")
    .describe("`local`: the Docker engine that `docker` on this machine talks to."),
  bind: ipv4
    .default("127.0.0.1")
    .describe(
      "The address on which ports are published. `127.0.0.1` keeps the system private to the machine.",
    ),
  ...published,
  address: published.address.describe(LOCAL_ADDRESS),
});

/** A name of DNS or of the user's own ssh configuration, never an option of ssh. */
const HOST_NAME = /^[a-z0-9]([a-z0-9._-]{0,251}[a-z0-9])?$/i;
/** One line of a `.pub` file or of `ssh-keyscan`, the name before and the comment after it left out. */
const HOST_KEY =
  /^(?:\S+\s+)?((?:ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521))\s+[A-Za-z0-9+/]{40,}={0,2})(?:\s.*)?$/;

const NO_HOST_KEY =
  "is missing: see it with `ssh-keyscan -t ed25519 -p PORT ADDRESS`, and compare it with /etc/ssh/ssh_host_ed25519_key.pub on the machine itself";

/** How to log in to a machine whose key is known. A machine that the stack makes is reached by the same. */
export const HostAccess = z.strictObject({
  address: z
    .string()
    .trim()
    .refine((text) => isIP(text) !== 0 || HOST_NAME.test(text), "must be a host name or an IP address")
    .describe("Where sshd is reached: a name or an address."),
  port: port.default(22).describe("sshd's port."),
  user: z
    .string()
    .regex(/^[a-z_][a-z0-9_.-]{0,31}$/i, "must be the name of a user on the host")
    .default("root")
    .describe("Who logs in: root, or a user who may use the Docker socket."),
  hostKey: z
    .string({ error: ({ input }) => (input === undefined ? NO_HOST_KEY : undefined) })
    .trim()
    .regex(
      HOST_KEY,
      "must be a host key such as `ssh-ed25519 AAAA…`, as in /etc/ssh/ssh_host_ed25519_key.pub",
    )
    .transform((text) => (HOST_KEY.exec(text)?.[1] ?? text).replace(/\s+/, " "))
    .describe("The host's public key. No other is accepted."),
  identity,
});
export type HostAccess = z.output<typeof HostAccess>;

const firewall = z
  .boolean()
  .default(false)
  .describe(
    "Keep a firewall (nftables) on the host that lets in ssh and the ports of the stack and nothing else. For a host that does nothing else.",
  );

export const SshHost = z.strictObject({
  kind: z.literal("ssh").describe("`ssh`: a Debian or Ubuntu machine with a Docker engine, reached by ssh."),
  ssh: HostAccess.describe("How to log in to it."),
  bind: ipv4
    .default("0.0.0.0")
    .describe("The address of the host on which ports are published. `0.0.0.0`: every one."),
  ...published,
  install: z
    .boolean()
    .default(false)
    .describe(
      "Install on the host what is missing (Debian's docker.io), as root or by sudo. `false`: say what is missing.",
    ),
  firewall,
  address: published.address.describe(
    "The public address of the host, for the DNS records. Default: `ssh.address` where that is an IPv4 address.",
  ),
});

export const LibvirtHost = z.strictObject({
  kind: z
    .literal("libvirt")
    .describe(
      "`libvirt`: a VM that the stack makes with this machine's libvirt, as root, and reaches by ssh.",
    ),
  vm: Vm.describe("The VM."),
  firewall,
  address: published.address.describe(
    "The public address of the host, for the DNS records. Default: that of the VM on a bridge.",
  ),
  address6: published.address6.describe("As `address`, for IPv6. Makes AAAA records."),
});

export const Host = z.discriminatedUnion("kind", [LocalHost, SshHost, LibvirtHost]);
export type Host = z.output<typeof Host>;
