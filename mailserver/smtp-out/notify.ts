/** Makes the queue items of delivery status notifications, signed like other mail of ours. */

import type { SmtpOutSettings } from "../contract.ts";
import { type ComposeNotification, createNotification } from "../courier/notification.ts";
import { formatMessage, parseMessage } from "../message/header.ts";
import { authorsOf } from "../message/mailboxes.ts";
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

/** Signs what we write ourselves, with the key of its author's domain, else of the first. */
export function createOwnSigner(deps: Omit<NotifyDeps, "newId">): (bytes: Buffer) => Promise<Buffer> {
  const { hostname, domains, signers, clock } = deps;
  return async (bytes) => {
    const message = parseMessage(bytes);
    const authors = authorsOf(message.fields);
    const author = authors.kind === "clear" ? authors.from[0]?.split("@").at(-1) : undefined;
    const domain = author !== undefined && domains.includes(author) ? author : (domains[0] ?? hostname);
    const signer = signers.find((candidate) => candidate.domain === domain);
    const signature = signer === undefined ? [] : await signer.sign(message, new Date(clock.now()));
    return formatMessage({ ...message, fields: [...signature, ...message.fields] });
  };
}

/** One notification for all that is to be told of an item. */
export function createNotifier(
  deps: NotifyDeps,
  { notices, retry }: Pick<SmtpOutSettings, "notices" | "retry">,
): ComposeNotification {
  const { domains } = deps;
  return createNotification({
    ...deps,
    language: notices,
    giveUpMs: retry.giveUpMs,
    maxBytes: Number.POSITIVE_INFINITY,
    destination: (sender) => destinationOf(sender, domains),
    finish: createOwnSigner(deps),
  });
}
