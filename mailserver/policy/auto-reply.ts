/**
 * Whether an answer that a box wrote by itself (RFC 5230, RFC 3834) may leave. A box may be in the hands of an attacker, so
 * nothing that it says is believed: it answers those who wrote to it a moment ago, and nobody else. Pure.
 */
import { makeAddress, parseEnvelopeAddress } from "../smtp/address.ts";
import type { Address } from "../smtp/types.ts";
import type { Authors } from "./relay.ts";

export interface AutoReply {
  /** Where the box wants it to go. */
  readonly recipient: string;
  readonly authors: Authors;
  /** Values of its Auto-Submitted fields. */
  readonly autoSubmitted: readonly string[];
  /** It has fields that only our own marks may be in, or that name more recipients. */
  readonly forged: boolean;
}

export type ReplyVerdict<Sender> =
  /** To be sent to `sender`, if the author is the box's person. */
  | { readonly kind: "send"; readonly sender: Sender; readonly author: string }
  /** Another process may know who wrote. */
  | { readonly kind: "leave" }
  | { readonly kind: "drop"; readonly why: string };

/** By what a sender is found again: Dovecot writes quotes where odd dots ask for them, though the sender wrote none. */
export function senderKey({ local, domain }: Address): string {
  return makeAddress(local, domain).text.toLowerCase();
}

/** `senders`: who wrote to the box a moment ago, by `senderKey` of their reverse-path. */
export function decideReply<Sender>(
  { recipient, authors, autoSubmitted, forged }: AutoReply,
  senders: ReadonlyMap<string, Sender>,
): ReplyVerdict<Sender> {
  const drop = (why: string): ReplyVerdict<Sender> => ({ kind: "drop", why });
  // RFC 3834 section 5: by this others know not to answer, so that there is no loop.
  if (autoSubmitted.length !== 1 || !/^auto-replied\b/i.test(autoSubmitted[0]?.trim() ?? ""))
    return drop("it does not say that it is an automatic reply");
  if (forged) return drop("it has a field that a reply has no use for");
  if (authors.kind !== "clear" || authors.from.length !== 1 || authors.others.length > 0)
    return drop("it does not say clearly who wrote it");
  const address = parseEnvelopeAddress(recipient);
  const sender = address && senders.get(senderKey(address));
  const [author = ""] = authors.from;
  return sender === undefined ? { kind: "leave" } : { kind: "send", sender, author };
}
