/** What a courier gets of a queued message. Pure. */
import type { Delivery } from "../courier/types.ts";
import { parseEnvelopeAddress } from "../smtp/address.ts";
import { asOriginal } from "../smtp/dsn-parameters.ts";
import type { Address, RcptParameters } from "../smtp/types.ts";
import type { DueRecipient, StoredEnvelope } from "./item.ts";
import { sentOnFor } from "./route.ts";

/** Recipients whose address is one, and the others. */
export function partByAddress<T extends Pick<DueRecipient, "address">>(recipients: readonly T[]): [T[], T[]] {
  const fits = recipients.map(({ address }) => parseEnvelopeAddress(address) !== undefined);
  return [recipients.filter((_, index) => fits[index]), recipients.filter((_, index) => !fits[index])];
}

/** Throws when an address is none. */
export function toDelivery(group: {
  readonly item: { readonly envelope: StoredEnvelope };
  readonly recipients: readonly DueRecipient[];
  readonly body: Uint8Array;
}): Delivery {
  const { recipients, body } = group;
  const [first] = recipients;
  const before = first === undefined ? [] : sentOnFor(first);
  const { from, eightBit, smtputf8, ret, envid, unproven } = group.item.envelope;
  return {
    from: from === "" ? null : toAddress(from),
    recipients: recipients.map(({ address }) => toAddress(address)),
    dsn: { ...(ret && { ret }), ...(envid !== undefined && { envid }) },
    recipientDsn: recipients.map((recipient) => toRcptParameters(recipient, unproven === true)),
    ...{ body, eightBit, smtputf8 },
    ...(before.length > 0 && { sentOnFor: before }),
  };
}

function toAddress(text: string): Address {
  const address = parseEnvelopeAddress(text);
  if (address === undefined) throw new Error(`${text} is no address`);
  return address;
}

/**
 * RFC 3461 section 5.2.1: what the sender asked for goes on, and a server that passes a message on may add what its
 * recipient was called before. `unproven`: whoever may be no sender at all is told nothing by the next one either.
 */
function toRcptParameters({ originals, notify, orcpt }: DueRecipient, unproven: boolean): RcptParameters {
  const [address] = originals ?? [];
  // Of a forward its own name, never one that leads on from there.
  const original = address === undefined ? orcpt : asOriginal(address);
  const wanted = unproven ? [] : notify;
  return { ...(wanted && { notify: wanted }), ...(original && { orcpt: original }) };
}
