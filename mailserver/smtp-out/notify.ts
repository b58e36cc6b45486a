/** Makes the queue items of delivery status notifications. */
import { isAscii } from "node:buffer";
import { composeDsn } from "../courier/dsn.ts";
import type { Clock } from "../queue/clock.ts";
import type { NewItem, Unreported } from "../queue/item.ts";
import { destinationOf } from "../queue/route.ts";
import { parseAddress } from "../smtp/address.ts";
import type { DkimSigner } from "./dkim.ts";
import { formatMessage, parseMessage } from "./header.ts";

export interface NotifyDeps {
  readonly hostname: string;
  /** Ours; the first one is the notification's sender. */
  readonly domains: readonly string[];
  readonly signers: readonly DkimSigner[];
  readonly newId: () => string;
  readonly clock: Clock;
}

/** One notification for all failures of an item, with the null reverse-path and signed like other mail of ours. */
export function createNotifier(
  deps: NotifyDeps,
): (item: Unreported, original: Uint8Array) => Promise<NewItem> {
  const { hostname, domains, signers, newId, clock } = deps;
  const domain = domains[0] ?? hostname;
  const signer = signers.find((candidate) => candidate.domain === domain);

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
      recipients: item.recipients.map(({ address, state, answer }) => ({
        address,
        expired: state === "expired",
        answer,
      })),
      original,
    });
    const message = parseMessage(bytes);
    const signature = signer === undefined ? [] : [await signer.sign(message, now)];
    const body = formatMessage({ ...message, fields: [...signature, ...message.fields] });
    return {
      id,
      created: clock.now(),
      envelope: {
        from: "",
        eightBit: !isAscii(body),
        smtputf8: !isAscii(Buffer.from(sender.text)),
      },
      recipients: [{ address: sender.text, destination: destinationOf(sender, domains) }],
      body,
    };
  };
}
