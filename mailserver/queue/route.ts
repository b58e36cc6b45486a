/** Where a recipient's mail goes: decided when it is queued, looked up when it is delivered. Pure. */
import { parseEnvelopeAddress } from "../smtp/address.ts";
import type { Address } from "../smtp/types.ts";
import type { NewRecipient } from "./item.ts";

/**
 * `local`: a person of ours, found in the directory. `mx`: the mail hosts of a foreign domain. `box`: the box with
 * that host name. `relay`: smtp-out; `purpose` keeps different kinds of mail apart. `report`: as `mx`, for reports about
 * the TLS of the mail hosts.
 */
export type Route =
  | { readonly kind: "local"; readonly address: string }
  | { readonly kind: "box"; readonly host: string }
  | { readonly kind: "relay"; readonly purpose: "forward" | "notification" }
  | { readonly kind: "mx"; readonly domain: string }
  | { readonly kind: "report"; readonly domain: string };

/** The route as one word, by which deliveries are grouped and limited. */
export function destinationOf(address: Address, domains: readonly string[]): string {
  // RFC 5321 section 2.4: the local part is ours to interpret for our own domains, and we ignore its case.
  if (domains.includes(address.domain)) return `local:${address.local.toLowerCase()}@${address.domain}`;
  return `mx:${address.domain}`;
}

/** RFC 8460 section 3: a report must arrive whatever is wrong with the TLS that it tells of. */
export function reportDestination(address: Address): string {
  return `report:${address.domain}`;
}

/** All mail for one box waits in one line, by whatever address it came. */
export function boxDestination(host: string): string {
  return `box:${host}`;
}

export const FORWARD_DESTINATION = "relay:forward";
export const NOTIFICATION_DESTINATION = "relay:notification";

/**
 * For whom a copy abroad is sent on (RFC 9228 calls it where the copy was delivered to before). It says so, and nobody is to
 * learn from another's copy who else had the message: copies of different people go apart.
 */
export function sentOnFor({
  address,
  destination,
  originals = [],
}: Pick<NewRecipient, "address" | "destination" | "originals">): readonly string[] {
  return destination.startsWith("mx:") ? originals.filter((original) => !isSame(original, address)) : [];
}

/** However their domains and local parts are written. A copy that names its own recipient there would be taken for a loop. */
function isSame(one: string, other: string): boolean {
  if (one === other) return true;
  const [a, b] = [parseEnvelopeAddress(one), parseEnvelopeAddress(other)];
  return a !== undefined && a.local === b?.local && a.domain === b.domain;
}

/** The inverse; undefined for what is never made above. */
export function parseDestination(destination: string): Route | undefined {
  const colon = destination.indexOf(":");
  const rest = destination.slice(colon + 1);
  if (colon < 0 || rest === "") return undefined;
  if (destination.startsWith("local:")) return { kind: "local", address: rest };
  if (destination.startsWith("mx:")) return { kind: "mx", domain: rest };
  if (destination.startsWith("report:")) return { kind: "report", domain: rest };
  if (destination.startsWith("box:")) return { kind: "box", host: rest };
  if (destination === FORWARD_DESTINATION) return { kind: "relay", purpose: "forward" };
  if (destination === NOTIFICATION_DESTINATION) return { kind: "relay", purpose: "notification" };
  return undefined;
}
