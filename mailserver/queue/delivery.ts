/** What a courier gets of a queued message. Pure. */
import { isAscii } from "node:buffer";
import type { Delivery } from "../courier/types.ts";
import { parseAddress } from "../smtp/address.ts";
import type { Address, RcptParameters } from "../smtp/types.ts";
import type { DueRecipient } from "./item.ts";

/** Throws when an address is none. */
export function toDelivery(group: {
  readonly item: { readonly envelope: Pick<Delivery, "eightBit" | "smtputf8"> & { readonly from: string } };
  readonly recipients: readonly DueRecipient[];
  readonly body: Uint8Array;
}): Delivery {
  const { recipients, body } = group;
  const { from, eightBit, smtputf8 } = group.item.envelope;
  return {
    from: from === "" ? null : toAddress(from),
    recipients: recipients.map(({ address }) => toAddress(address)),
    recipientDsn: recipients.map(toRcptParameters),
    ...{ body, eightBit, smtputf8 },
  };
}

function toAddress(text: string): Address {
  const address = parseAddress(text, { utf8: true });
  if (address === undefined) throw new Error(`${text} is no address`);
  return address;
}

/** RFC 3461 section 5.2.1: a server that passes a message on may add what its recipient was called before. */
function toRcptParameters({ originals }: DueRecipient): RcptParameters | undefined {
  const address = originals?.[0];
  if (address === undefined) return undefined;
  return { orcpt: { type: isAscii(Buffer.from(address)) ? "rfc822" : "utf-8", address } };
}
