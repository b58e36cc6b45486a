/** Makes the queue items of delivery status notifications, signed like other mail of ours. */
import { type ComposeNotification, createNotification } from "../courier/notification.ts";
import { formatMessage, parseMessage } from "../message/header.ts";
import type { Clock } from "../queue/clock.ts";
import { destinationOf } from "../queue/route.ts";
import type { DkimSigner } from "./dkim.ts";

export interface NotifyDeps {
  readonly hostname: string;
  /** Ours; the first one is the notification's sender. */
  readonly domains: readonly string[];
  readonly signers: readonly DkimSigner[];
  readonly newId: () => string;
  readonly clock: Clock;
}

/** One notification for all failures of an item. */
export function createNotifier(deps: NotifyDeps): ComposeNotification {
  const { domains, signers, clock } = deps;
  const signer = signers.find((candidate) => candidate.domain === (domains[0] ?? deps.hostname));
  return createNotification({
    ...deps,
    destination: (sender) => destinationOf(sender, domains),
    finish: async (bytes) => {
      const message = parseMessage(bytes);
      const signature = signer === undefined ? [] : await signer.sign(message, new Date(clock.now()));
      return formatMessage({ ...message, fields: [...signature, ...message.fields] });
    },
  });
}
