/** Whether an address is ours to receive for, and under which addresses the directory may know it. Pure. */
import { relayDenied } from "../smtp/replies.ts";
import type { Address, Reply } from "../smtp/types.ts";
import { withoutDetail } from "./own-address.ts";

/** Which addresses are ours, from the settings. */
export interface LocalRules {
  /** Lower case; a bare postmaster belongs to the first. */
  readonly domains: readonly string[];
  readonly tagSeparator?: string;
  /** Per domain: the address that gets what nobody else is known for. */
  readonly catchAll?: Readonly<Record<string, string>>;
}

/** RFC 5321 section 4.5.1 and RFC 2142 section 2: these are never refused as unknown. */
const ROLES = new Set(["postmaster", "abuse"]);

export function isRole({ local }: Pick<Address, "local">): boolean {
  return ROLES.has(local.toLowerCase());
}

export type LocalRecipient =
  | { readonly kind: "refuse"; readonly reply: Reply }
  | {
      readonly kind: "ours";
      /** Full addresses to look up, in this order; the first that exists is it. */
      readonly candidates: readonly string[];
      /** One of the addresses that every domain must have. */
      readonly role: boolean;
    };

/** What to look up for a recipient. */
export function localRecipient({ local, domain }: Address, rules: LocalRules): LocalRecipient {
  const { domains, tagSeparator, catchAll = {} } = rules;
  const at = domain === "" ? (domains[0] ?? "") : domain;
  if (!domains.includes(at)) return { kind: "refuse", reply: relayDenied };
  // Ours to decide (RFC 5321 section 2.4): upper and lower case are the same person.
  const name = local.normalize("NFC").toLowerCase();
  const full = `${name}@${at}`;
  const last = Object.hasOwn(catchAll, at) ? catchAll[at] : undefined;
  // RFC 5233: the detail is the person's own; an address that exists with it comes first.
  const candidates = [full, ...withoutDetail(full, tagSeparator), ...(last === undefined ? [] : [last])];
  return { kind: "ours", candidates: [...new Set(candidates)], role: isRole({ local: name }) };
}
