/** The pure part of HostFirewall: its rules as nftables has them. */
import { z } from "zod";
import { changedKeys } from "../validate.ts";

const Port = z.int().min(1).max(65_535);

/** The inputs' shape. */
export const shape = {
  /** Whose rules they are. */
  stack: z.string().regex(/^[a-z0-9-]+$/),
  access: z.strictObject({
    address: z.string().min(1),
    port: Port,
    user: z.string().min(1),
    hostKey: z.string().min(1),
    identity: z.string().optional(),
  }),
  /** Where the connection to the host is kept, relative to the project's folder. */
  folder: z.string().min(1),
  /** TCP ports that everybody may reach. */
  ports: z.array(Port).min(1),
  /** Names the host's system, where that may be replaced: a new one has no rules. */
  system: z.string().optional(),
};

/** Inputs after check. */
export const Inputs = z.object(shape);
export type Inputs = z.output<typeof Inputs>;

/** Another host has rules of its own; another way to log in changes none. */
export function compare(olds: Record<string, unknown>, news: Record<string, unknown>) {
  const address = (props: Record<string, unknown>) =>
    z.object({ access: z.object({ hostKey: z.string() }) }).safeParse(props).data?.access.hostKey;
  const replaces = [
    ...changedKeys(["stack"], olds, news),
    ...(address(olds) === address(news) ? [] : ["access"]),
  ];
  const rest = changedKeys(["access", "folder", "ports", "system"], olds, news);
  return { changes: replaces.length + rest.length > 0, replaces, deleteBeforeReplace: true };
}

/** First line of the file; by it a file of another stack is known. */
export const headOf = (stack: string): string => `# Made by Semail for the stack ${stack}.`;

/**
 * What the kernel is told. `sshPort`: the port by which the host is being reached, so that it stays open whatever else
 * is closed. Ports that containers publish don't come by `input` but by `forward`, after the engine turned them.
 */
export function rulesOf({ stack, ports }: Pick<Inputs, "stack" | "ports">, sshPort: number): string {
  const open = [...new Set(ports)].sort((one, other) => one - other).join(", ");
  return `${headOf(stack)} \`npm run down\` removes it.
table inet semail
delete table inet semail
table inet semail {
	chain input {
		type filter hook input priority filter; policy drop;
		iif "lo" accept
		ct state established,related accept
		ct state invalid drop
		meta l4proto { icmp, ipv6-icmp } accept
		udp sport 67 udp dport 68 accept comment "DHCP"
		udp dport 546 accept comment "DHCPv6"
		tcp dport ${sshPort} accept comment "ssh"
		tcp dport { ${open} } accept
	}
	chain forward {
		type filter hook forward priority filter; policy accept;
		ct state established,related accept
		iifname "docker0" accept
		iifname "br-*" accept
		ct status dnat ct original proto-dst { ${open} } accept
		ct status dnat drop
	}
}
`;
}
