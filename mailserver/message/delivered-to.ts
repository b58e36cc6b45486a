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

/** The mailboxes to which a message says that it was delivered before, each once. Anybody may have written that. */
export function deliveredBefore(fields: readonly Field[]): Address[] {
  const before = fields
    .filter(({ name }) => name === "delivered-to")
    .flatMap((field) => parseEnvelopeAddress(fieldValue(field)) ?? []);
  return [...new Map(before.map((mailbox) => [nameOf(mailbox), mailbox])).values()];
}
