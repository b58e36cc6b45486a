/** Where a message has been on its way (RFC 9228): what was sent on from a mailbox and comes back is not sent on again. Pure. */
import { parseEnvelopeAddress } from "../smtp/address.ts";
import type { Address } from "../smtp/types.ts";
import { type Field, fieldValue, makeField } from "./header.ts";

/** As our own mailboxes are compared: the case of a local part means nothing. */
const nameOf = ({ local, domain }: Address): string => `${local.toLowerCase()}@${domain}`;

/** A field for each mailbox that a copy was sent on from. An address that needs SMTPUTF8 would make the whole message need it. */
export function deliveredTo(mailboxes: readonly string[]): Field[] {
  return mailboxes
    .filter((mailbox) => /^[\x20-\x7e]{1,900}$/.test(mailbox))
    .map((mailbox) => makeField("Delivered-To", mailbox));
}

/** Whether a message says that it was delivered to this mailbox before. Anybody may have written that. */
export function wasDeliveredTo(fields: readonly Field[], mailbox: Address): boolean {
  return fields.some((field) => {
    if (field.name !== "delivered-to") return false;
    const before = parseEnvelopeAddress(fieldValue(field));
    return before !== undefined && nameOf(before) === nameOf(mailbox);
  });
}
