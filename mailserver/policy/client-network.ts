/** Who a client is, and whom several connections count as one. Pure. */
import { isIPv6 } from "node:net";

/** The address as it is written; a socket of both families shows IPv4 as `::ffff:192.0.2.1` (RFC 4291 section 2.5.5.2). */
export const plainAddress = (address = ""): string => address.replace(/^::ffff:(?=\d+\.)/i, "");

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
