/** Makes the queue item of a delivery status notification. */
import { isAscii } from "node:buffer";
import type { Language } from "../contract.ts";
import type { Clock } from "../queue/clock.ts";
import type { Answer, NewItem, OwedRecipient, Unreported } from "../queue/item.ts";
import { parseEnvelopeAddress } from "../smtp/address.ts";
import type { Address, OriginalRecipient } from "../smtp/types.ts";
import { composeDsn, type Reported } from "./dsn.ts";

export interface NotificationDeps {
  readonly hostname: string;
  /** Ours; the first one is the notification's sender. */
  readonly domains: readonly string[];
  readonly language: Language;
  /** How long a message is tried. */
  readonly giveUpMs: number;
  /** Of what is sent to `destination`. */
  readonly maxBytes: number;
  readonly newId: () => string;
  readonly clock: Pick<Clock, "now">;
  /** Where it goes. */
  readonly destination: (sender: Address) => string;
  /** Signs it. */
  readonly finish?: (message: Buffer) => Promise<Buffer>;
}

export type ComposeNotification = (item: Unreported, original: Uint8Array) => Promise<NewItem>;

/** Of every notification of ours, before the @. */
export const NOTIFIER = "mailer-daemon";

/** Room for all but the original. */
const OWN_BYTES = 65_536;

/** One notification for all that is to be told of an item, with the null reverse-path. */
export function createNotification(deps: NotificationDeps): ComposeNotification {
  const { hostname, domains, newId, clock, language } = deps;
  const domain = domains[0] ?? hostname;
  return async (item, original) => {
    const id = newId();
    const { envid, from } = item.envelope;
    const sender = parseEnvelopeAddress(from);
    if (sender === undefined) throw new Error(`${from} is no address`);
    const bytes = await composeDsn({
      ...{ hostname, language },
      from: `${NOTIFIER}@${domain}`,
      to: sender.text,
      messageId: `<${id}@${hostname}>`,
      now: new Date(clock.now()),
      arrival: new Date(item.created),
      until: new Date(item.created + deps.giveUpMs),
      ...(envid === undefined ? {} : { envid }),
      recipients: item.recipients.flatMap(toReported),
      original,
      whole: returnsWhole(item, original.length, deps.maxBytes),
    });
    const body = (await deps.finish?.(bytes)) ?? bytes;
    return {
      id,
      created: clock.now(),
      envelope: { from: "", eightBit: !isAscii(body), smtputf8: !isAscii(Buffer.from(sender.text)) },
      recipients: [{ address: sender.text, destination: deps.destination(sender) }],
      body,
    };
  };
}

/**
 * RFC 3461 section 4.3: RET is about failures; whoever hears of anything else gets the header. So does who asks for a
 * message so large that it could not be returned.
 */
function returnsWhole({ envelope, recipients }: Unreported, bytes: number, maxBytes: number): boolean {
  return (
    envelope.ret === "FULL" &&
    recipients.some(({ owed }) => owed === "failed") &&
    bytes + OWN_BYTES <= maxBytes
  );
}

/** As the sender named them: where a person forwards mail to is that person's secret (RFC 3464 section 4.2). */
function toReported(recipient: OwedRecipient): Reported[] {
  const { address, originals = [address], orcpt, state, owed: action, answer } = recipient;
  const facts = { action, expired: state === "expired" };
  return originals.map((name) => {
    const own = name === address;
    const original = orcpt ?? (own ? undefined : toOriginal(name));
    return {
      ...facts,
      address: name,
      answer: own ? answer : withheld(answer),
      ...(original === undefined ? {} : { original }),
    };
  });
}

function toOriginal(address: string): OriginalRecipient {
  return { type: isAscii(Buffer.from(address)) ? "rfc822" : "utf-8", address };
}

/** Neither who answered nor their words, which may quote the address in any spelling. */
function withheld({ code, status }: Answer): Answer {
  const text =
    code < 300
      ? "This person's mail is forwarded, and the message was taken there"
      : "This person's mail is forwarded, and the message was not taken there";
  return { code, status, text };
}
