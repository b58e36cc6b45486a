/** Whose box a recipient's mail goes to. */
import { type LocalRules, localRecipient } from "../policy/local-recipient.ts";
import type { RecipientAnswer, ResolveRecipient } from "../policy/recipient.ts";
import { makeAddress } from "../smtp/address.ts";
import * as replies from "../smtp/replies.ts";
import type { Address, Reply } from "../smtp/types.ts";

/** A box as the directory named it. */
export type Box = RecipientAnswer & { readonly kind: "box" };

export type Found =
  | { readonly kind: "refuse"; readonly reply: Reply }
  /** `address` always has its domain. */
  | { readonly kind: "box"; readonly box: Box; readonly address: Address };

/** Throws DirectoryUnavailable when the answer can't be known. */
export type FindBox = (address: Address) => Promise<Found>;

const noPostmaster = replies.reply(451, "4.3.5", "This address is not set up yet, try again later");

export function createBoxFinder(resolve: ResolveRecipient, rules: LocalRules): FindBox {
  return async (address) => {
    const local = localRecipient(address, rules);
    if (local.kind === "refuse") return local;
    for (const candidate of local.candidates) {
      const box = await resolve(candidate);
      if (box.kind === "box") return { kind: "box", box, address: complete(address, rules) };
    }
    // An absent postmaster is our omission: mail to it must not be refused, nor thrown away.
    return { kind: "refuse", reply: local.role ? noPostmaster : replies.noSuchRecipient };
  };
}

/** RFC 5321 section 4.5.1: `<postmaster>` alone is ours. */
function complete(address: Address, { domains }: LocalRules): Address {
  const [first] = domains;
  return address.domain === "" && first !== undefined ? makeAddress(address.local, first) : address;
}
