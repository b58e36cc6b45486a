/** Which addresses mail may be carried to. Pure. */
import { BlockList, isIP } from "node:net";
import { reply } from "../smtp/replies.ts";
import type { Outcome } from "../smtp/types.ts";

/** Says whether smtp-out may connect to an IP address. */
export type TargetRule = (address: string) => boolean;

/**
 * No mail host of a stranger is there (RFC 6890, RFC 5735), but the directory, a box or the machine's own services
 * may be: whoever writes an address literal or publishes an MX record must not be able to point us at them.
 */
const CLOSED_IPV4 = [
  "0.0.0.0/8", // "this network": 0.0.0.0 connects to the machine itself
  "10.0.0.0/8", // private (RFC 1918)
  "100.64.0.0/10", // carrier-grade NAT (RFC 6598)
  "127.0.0.0/8", // loopback
  "169.254.0.0/16", // link-local (RFC 3927), and the metadata service of clouds
  "172.16.0.0/12", // private (RFC 1918)
  "192.0.0.0/24", // protocol assignments (RFC 6890)
  "192.168.0.0/16", // private (RFC 1918)
  "198.18.0.0/15", // benchmarks (RFC 2544)
  "224.0.0.0/4", // multicast (RFC 5771)
  "240.0.0.0/4", // reserved, and broadcast
];
const CLOSED_IPV6 = [
  "::/96", // unspecified, loopback, IPv4-compatible (RFC 4291)
  "64:ff9b:1::/48", // a network's own translation (RFC 8215)
  "100::/64", // discard (RFC 6666)
  "2001::/32", // Teredo (RFC 4380): a tunnel to any IPv4 address
  "2002::/16", // 6to4 (RFC 3056): the same
  "fc00::/7", // unique local (RFC 4193)
  "fe80::/10", // link-local
  "fec0::/10", // site-local, of old (RFC 3879)
  "ff00::/8", // multicast
];
/** Where an IPv6 address is an IPv4 one in other words: mapped (RFC 4291 section 2.5.5.2), translated (RFC 6052). */
const IPV4_INSIDE = ["::ffff:", "64:ff9b::"];

/** `allowed`: networks in CIDR notation that are open although they are not public. */
export function createTargetRule(allowed: readonly string[] = []): TargetRule {
  const closed = toList([...CLOSED_IPV4, ...CLOSED_IPV6]);
  const open = toList(allowed);
  return (address) => {
    const family = familyOf(address);
    // A zone (RFC 4007) names an interface of ours.
    if (family === undefined || address.includes("%")) return false;
    return open.check(address, family) || !closed.check(address, family);
  };
}

/** For a host all of whose addresses are closed. RFC 3463 X.4.4: "unable to route". */
export function closedTarget(host: string): Outcome {
  const text = `The mail host ${host} has only addresses to which no mail is sent (private or reserved)`;
  return { kind: "permanent", reply: reply(550, "5.4.4", text) };
}

function toList(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = "", bits = ""] = network.split("/");
    const family = familyOf(address);
    if (family === undefined) throw new Error(`${network} is no network`);
    list.addSubnet(address, Number(bits), family);
    if (family === "ipv6") continue;
    for (const prefix of IPV4_INSIDE) list.addSubnet(`${prefix}${address}`, 96 + Number(bits), "ipv6");
  }
  return list;
}

function familyOf(address: string): "ipv4" | "ipv6" | undefined {
  return ({ 4: "ipv4", 6: "ipv6" } as const)[isIP(address)];
}
