/**
 * Holds a person to their sending limits: said at MAIL and RCPT when it is known there, counted when a message is
 * accepted, which decides. The postmaster hears of it, once a day.
 */
import type { SendingSettings } from "../contract.ts";
import type { NewItem } from "../queue/item.ts";
import type { Queue } from "../queue/queue.ts";
import type { Reply } from "../smtp/types.ts";
import { limitReply, limitWarning, type Stage } from "./limit-warning.ts";
import { createOwnSigner, type SignDeps } from "./notify.ts";
import { type OwnMailDeps, toPlaces } from "./own-mail.ts";
import type { Limit, SendingLimits } from "./sending-limits.ts";

export interface QuotaDeps extends SignDeps, OwnMailDeps {
  readonly sending: { readonly settings: SendingSettings; readonly limits: SendingLimits };
  readonly queue: Pick<Queue, "enqueue">;
  readonly newId: () => string;
}

/** Whose messages, and in which session they come. */
export interface Sender {
  readonly uid: string;
  readonly session: string;
}

/** Under which all that the portal sends is counted together, as one person's; no uid has a space. */
export const PORTAL = "the portal";

/** At MAIL: undefined, or that no message may come now, to whomever. */
export async function checkMessage(sender: Sender, deps: QuotaDeps): Promise<Reply | undefined> {
  const limit = deps.sending.limits.would(sender.uid, 0);
  return limit && refuse({ limit, stage: "mail" }, sender, deps);
}

/** At RCPT: undefined, or that this is one new one too many beside `fresh`, those of the transaction so far. */
export async function checkRecipient(
  { address, fresh }: { readonly address: string; readonly fresh: Set<string> },
  sender: Sender,
  deps: QuotaDeps,
): Promise<Reply | undefined> {
  const { limits } = deps.sending;
  const name = address.toLowerCase();
  if (fresh.has(name) || !limits.isNew(sender.uid, name)) return undefined;
  const limit = limits.would(sender.uid, fresh.size + 1);
  if (limit !== undefined) return refuse({ limit, stage: "rcpt" }, sender, deps);
  fresh.add(name);
  return undefined;
}

/** At the end of a message: counted, or the reply that it may not be. */
export async function countMessage(
  recipients: readonly string[],
  sender: Sender,
  deps: QuotaDeps,
): Promise<
  { readonly kind: "counted"; giveBack(): void } | { readonly kind: "refused"; readonly reply: Reply }
> {
  const taken = deps.sending.limits.take(sender.uid, recipients);
  if (taken.kind === "counted") return taken;
  return { kind: "refused", reply: await refuse({ limit: taken.limit, stage: "message" }, sender, deps) };
}

async function refuse(
  { limit, stage }: { readonly limit: Limit; readonly stage: Stage },
  { uid, session }: Sender,
  deps: QuotaDeps,
): Promise<Reply> {
  const { sending, hostname, domains, newId, clock, log } = deps;
  log.warn("smtp.sending.limited", { user: uid, session, limit });
  if (sending.limits.firstToday(uid)) {
    const facts = { uid, limit, limits: sending.settings, hostname, domain: domains[0] ?? hostname };
    const warning = limitWarning({ ...facts, id: newId(), now: clock.now() });
    await warn(warning, deps).catch((error: unknown) => {
      log.error("queue.error", { error });
      sending.limits.untold(uid);
    });
  }
  return limitReply(limit, sending.settings, stage);
}

/** Signed, since the postmaster may read their mail elsewhere. */
async function warn({ body, ...warning }: NewItem, deps: QuotaDeps): Promise<void> {
  const signed = await createOwnSigner(deps)(Buffer.from(body));
  await deps.queue.enqueue(await toPlaces({ ...warning, body: signed }, deps));
}
