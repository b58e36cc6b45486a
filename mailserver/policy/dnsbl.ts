/** DNS block lists, RFC 5782. Pure. */
import { isIPv6 } from "node:net";

/** Under which name a list would have an address, and whether its answer says so. */
export function listedAt(
  address: string,
  zone: string,
): { readonly name: string; readonly says: (answer: readonly string[]) => boolean } {
  return { name: `${reversed(address)}.${zone}`, says };
}

/** Section 2.1: 127.0.0.0/8. Lists answer 127.255.255.x to say that they won't answer; that lists nobody. */
function says(answer: readonly string[]): boolean {
  return answer.some((value) => value.startsWith("127.") && !value.startsWith("127.255.255."));
}

/** Section 2.4: IPv6 by nibbles. */
function reversed(address: string): string {
  if (!isIPv6(address)) return address.split(".").reverse().join(".");
  const [head = "", tail = ""] = address.split("::");
  const groups = (text: string) =>
    (text === "" ? [] : text.split(":")).map((group) => group.padStart(4, "0"));
  const [front, back] = [groups(head), groups(tail)];
  const zeros = Array.from({ length: 8 - front.length - back.length }, () => "0000");
  return [...front, ...zeros, ...back].join("").split("").reverse().join(".");
}
