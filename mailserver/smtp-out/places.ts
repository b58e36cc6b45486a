/** Where mail for a recipient goes: to them, and to where they have it forwarded. Pure. */
import { forwardWish } from "../policy/notify.ts";
import { destinationOf } from "../queue/route.ts";
import type { Address } from "../smtp/types.ts";
import type { Named } from "./recipients.ts";

/** A recipient; `place` is the same for whatever is the same mailbox. `copy`: where somebody's mail is sent on to. */
export type Place = Named & { readonly place: string; readonly copy?: true };

/** Where a person of ours has a copy sent. */
export interface Forward {
  readonly address: Address;
  /** Whose address that is, of our people. */
  readonly holder?: string | undefined;
}

/** A recipient as somebody named them; `original`: for whom it was forwarded before. */
export interface Wanted extends Pick<Named, "original" | "notify" | "orcpt"> {
  readonly address: Address;
}

/** As LDAP and people write it: lower case, not quoted. */
export function mailboxOf({ local, domain }: Address): string {
  return `${local.toLowerCase()}@${domain}`;
}

/** The place of whoever has that uid: one, by whichever of their addresses. */
export const placeOfPerson = (uid: string): string => `box ${uid}`;

/** `holder`: whose of our people the address is. */
export function placesOf(
  wanted: Wanted,
  { holder, forward }: { readonly holder?: string | undefined; readonly forward?: Forward | undefined },
  domains: readonly string[],
): Place[] {
  const { address, original = address.text, notify } = wanted;
  const own = placeOf({ ...wanted, holder }, domains);
  if (forward === undefined) return [own];
  const copy = { ...wanted, ...forward, original, notify: forwardWish(notify) };
  return [own, { ...placeOf(copy, domains), copy: true }];
}

type Wish = { readonly [K in keyof Wanted]: Wanted[K] | undefined } & Forward;

function placeOf({ address, holder, original, notify, orcpt }: Wish, domains: readonly string[]): Place {
  const destination = destinationOf(address, domains);
  const { local, domain, text } = address;
  return {
    place:
      holder !== undefined
        ? placeOfPerson(holder)
        : // Only whose mailbox it is may say that case means nothing (RFC 5321 section 2.4).
          `${destination} ${domains.includes(domain) ? mailboxOf(address) : `${local}@${domain}`}`,
    address: text,
    destination,
    ...(original !== undefined && { original }),
    ...(notify && { notify }),
    ...(orcpt && { orcpt }),
  };
}
