/** Where a recipient's mail goes: decided when it is queued, looked up when it is delivered. Pure. */
import type { Address } from "../smtp/types.ts";

/** `local`: a person of ours, found in the directory. `mx`: the mail hosts of a foreign domain. */
export type Route =
  | { readonly kind: "local"; readonly address: string }
  | { readonly kind: "mx"; readonly domain: string };

/** The route as one word, by which deliveries are grouped and limited. */
export function destinationOf(address: Address, domains: readonly string[]): string {
  // RFC 5321 section 2.4: the local part is ours to interpret for our own domains, and we ignore its case.
  if (domains.includes(address.domain)) return `local:${address.local.toLowerCase()}@${address.domain}`;
  return `mx:${address.domain}`;
}

/** The inverse; undefined for what `destinationOf` never made. */
export function parseDestination(destination: string): Route | undefined {
  const colon = destination.indexOf(":");
  const rest = destination.slice(colon + 1);
  if (colon < 0 || rest === "") return undefined;
  if (destination.startsWith("local:")) return { kind: "local", address: rest };
  if (destination.startsWith("mx:")) return { kind: "mx", domain: rest };
  return undefined;
}
