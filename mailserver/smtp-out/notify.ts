/** Makes the queue items of delivery status notifications, signed and addressed like other mail of ours. */
import type { SmtpOutSettings } from "../contract.ts";
import { type ComposeNotification, createNotification } from "../courier/notification.ts";
import { formatMessage, parseMessage } from "../message/header.ts";
import { authorsOf } from "../message/mailboxes.ts";
import type { Clock } from "../queue/clock.ts";
import { destinationOf } from "../queue/route.ts";
import type { DkimSigner } from "./dkim.ts";
import { type OwnMailDeps, toPlaces } from "./own-mail.ts";

export interface SignDeps {
  readonly hostname: string;
  /** Ours; the first one is the notification's sender. */
  readonly domains: readonly string[];
  readonly signers: readonly DkimSigner[];
  readonly clock: Pick<Clock, "now">;
}

export interface NotifyDeps extends SignDeps, OwnMailDeps {
  readonly newId: () => string;
}

/** Signs what we write ourselves, with the key of its author's domain, else of the first. */
export function createOwnSigner(deps: SignDeps): (bytes: Buffer) => Promise<Buffer> {
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

/** One notification for all that is to be told of an item. Throws DirectoryUnavailable: it is tried again. */
export function createNotifier(
  deps: NotifyDeps,
  { notices, retry }: Pick<SmtpOutSettings, "notices" | "retry">,
): ComposeNotification {
  const { domains } = deps;
  const compose = createNotification({
    ...deps,
    language: notices,
    giveUpMs: retry.giveUpMs,
    maxBytes: Number.POSITIVE_INFINITY,
    destination: (sender) => destinationOf(sender, domains),
    finish: createOwnSigner(deps),
  });
  return async (item, original) => toPlaces(await compose(item, original), deps);
}
