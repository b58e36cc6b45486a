/** Who a client is, and whom several connections count as one. Pure. */
import { isIPv6 } from "node:net";

/** As `canonical` writes it, RFC 4291 section 2.5.5.2. */
const MAPPED = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/;

/**
 * One text for an address, however it is written. A socket of both families, or a load balancer with one, shows the IPv4
 * address 192.0.2.1 as `::ffff:192.0.2.1` or `::ffff:c000:201`.
 */
export function plainAddress(address = ""): string {
  if (!isIPv6(address) || address.includes("%")) return address;
  const text = canonical(address);
  const [, high, low] = MAPPED.exec(text) ?? [];
  if (high === undefined || low === undefined) return text;
  const bytes = [high, low]
    .map((group) => Number.parseInt(group, 16))
    .flatMap((two) => [two >> 8, two & 255]);
  return bytes.join(".");
}

/** Lower case, without leading zeros, the longest run of zeros as `::`, and no dots (RFC 5952 section 4). */
const canonical = (ipv6: string): string => new URL(`http://[${ipv6}]`).hostname.slice(1, -1);

/** The IPv4 address itself; of an IPv6 address the first 64 bits, which one customer has at least (RFC 6177). */
export function clientNetwork(client: string): string {
  const address = plainAddress(client);
  if (!isIPv6(address)) return address;
  const [head = "", tail] = address.split("%", 1).join("").split("::");
  const groups = (text: string | undefined): string[] => (text ? text.split(":") : []);
  const left = groups(head);
  const zeros = tail === undefined ? 0 : Math.max(8 - left.length - groups(tail).length, 0);
  const all = [...left, ...Array.from({ length: zeros }, () => "0"), ...groups(tail)];
  return `${all
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":")}::/64`;
}
