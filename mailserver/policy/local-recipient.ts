/** Whether an address is ours to receive for, and under which addresses the directory may know it. Pure. */
import { relayDenied } from "../smtp/replies.ts";
import type { Address, Reply } from "../smtp/types.ts";
import { withoutDetail } from "./own-address.ts";

/** RFC 5321 section 4.5.1 and RFC 2142 section 2: these are never refused as unknown. */
const ROLES = new Set(["postmaster", "abuse"]);

export type LocalRecipient =
  | { readonly kind: "refuse"; readonly reply: Reply }
  | {
      readonly kind: "ours";
      /** Full addresses to look up, in this order; the first that exists is it. */
      readonly candidates: readonly string[];
      /** One of the addresses that every domain must have. */
      readonly role: boolean;
    };

/** What to look up for a recipient. `domains` are ours, lower case; a bare postmaster belongs to the first. */
export function localRecipient({ local, domain }: Address, domains: readonly string[]): LocalRecipient {
  const at = domain === "" ? (domains[0] ?? "") : domain;
  if (!domains.includes(at)) return { kind: "refuse", reply: relayDenied };
  // Ours to decide (RFC 5321 section 2.4): upper and lower case are the same person.
  const name = local.normalize("NFC").toLowerCase();
  const full = `${name}@${at}`;
  // RFC 5233: the detail after "+" is the person's own; an address that exists with it comes first.
  const candidates = [...new Set([full, withoutDetail(full)])];
  return { kind: "ours", candidates, role: ROLES.has(name) };
}
