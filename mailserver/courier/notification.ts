/** Makes the queue item of a delivery status notification. */
import { isAscii } from "node:buffer";
import type { Clock } from "../queue/clock.ts";
import type { Answer, FailedRecipient, NewItem, Unreported } from "../queue/item.ts";
import { parseAddress } from "../smtp/address.ts";
import type { Address } from "../smtp/types.ts";
import { composeDsn, type FailedDelivery } from "./dsn.ts";

export interface NotificationDeps {
  readonly hostname: string;
  /** Ours; the first one is the notification's sender. */
  readonly domains: readonly string[];
  readonly newId: () => string;
  readonly clock: Pick<Clock, "now">;
  /** Where it goes. */
  readonly destination: (sender: Address) => string;
  /** Signs it. */
  readonly finish?: (message: Buffer) => Promise<Buffer>;
}

export type ComposeNotification = (item: Unreported, original: Uint8Array) => Promise<NewItem>;

/** One notification for all failures of an item, with the null reverse-path. */
export function createNotification(deps: NotificationDeps): ComposeNotification {
  const { hostname, domains, newId, clock } = deps;
  const domain = domains[0] ?? hostname;
  return async (item, original) => {
    const id = newId();
    const now = new Date(clock.now());
    const sender = parseAddress(item.envelope.from, { utf8: true });
    if (sender === undefined) throw new Error(`${item.envelope.from} is no address`);
    const bytes = await composeDsn({
      hostname,
      from: `mailer-daemon@${domain}`,
      to: sender.text,
      messageId: `<${id}@${hostname}>`,
      now,
      arrival: new Date(item.created),
      recipients: item.recipients.flatMap(toFailures),
      original,
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

/** As the sender named them: where a person forwards mail to is that person's secret (RFC 3464 section 4.2). */
function toFailures({ address, originals = [address], state, answer }: FailedRecipient): FailedDelivery[] {
  const expired = state === "expired";
  return originals.map((original) =>
    original === address
      ? { address, expired, answer }
      : { address: original, original, expired, answer: withheld(answer) },
  );
}

/** Neither who refused nor their words, which may quote the address in any spelling. */
function withheld({ code, status }: Answer): Answer {
  return { code, status, text: "This person's mail is forwarded, and the message was not taken there" };
}
