/** Where mail for a recipient goes: to them, and to where they have it forwarded. Pure. */
import { forwardWish } from "../policy/notify.ts";
import { destinationOf } from "../queue/route.ts";
import type { Address } from "../smtp/types.ts";
import type { Named } from "./recipients.ts";

/** A recipient; `place` is the same for whatever is the same mailbox. */
export type Place = Named & { readonly place: string };

/** A recipient as somebody named them; `original`: for whom it was forwarded before. */
export interface Wanted extends Pick<Named, "original" | "notify" | "orcpt"> {
  readonly address: Address;
}

/** As LDAP and people write it: lower case, not quoted. */
export function mailboxOf({ local, domain }: Address): string {
  return `${local.toLowerCase()}@${domain}`;
}

/** `forward`: where a person of ours has a copy sent. */
export function placesOf(wanted: Wanted, forward: Address | undefined, domains: readonly string[]): Place[] {
  const { address, original = address.text, notify } = wanted;
  const own = placeOf(wanted, domains);
  if (forward === undefined) return [own];
  const copy = { ...wanted, address: forward, original, notify: forwardWish(notify) };
  return [own, placeOf(copy, domains)];
}

type Wish = { readonly [K in keyof Wanted]: Wanted[K] | undefined } & Pick<Wanted, "address">;

function placeOf({ address, original, notify, orcpt }: Wish, domains: readonly string[]): Place {
  const destination = destinationOf(address, domains);
  const { local, domain, text } = address;
  return {
    // Only whose mailbox it is may say that case means nothing (RFC 5321 section 2.4).
    place: `${destination} ${domains.includes(domain) ? mailboxOf(address) : `${local}@${domain}`}`,
    address: text,
    destination,
    ...(original !== undefined && { original }),
    ...(notify && { notify }),
    ...(orcpt && { orcpt }),
  };
}
