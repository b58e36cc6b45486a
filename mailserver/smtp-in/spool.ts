/** What could not be handed on at once: kept on the disk until it can be, or until the sender is told. */
import { isAscii } from "node:buffer";
import type { SmtpInSettings } from "../contract.ts";
import type { BoxLine } from "../courier/box-line.ts";
import { type ComposeNotification, createNotification } from "../courier/notification.ts";
import type { RelayCourier } from "../courier/relay.ts";
import { type Delivery, forAll, type Result } from "../courier/types.ts";
import type { Log } from "../net/log.ts";
import { DirectoryUnavailable } from "../policy/recipient.ts";
import type { Deliver } from "../queue/attempt.ts";
import type { Clock } from "../queue/clock.ts";
import type { NewItem, NewRecipient, StoredEnvelope } from "../queue/item.ts";
import type { Queue } from "../queue/queue.ts";
import {
  boxDestination,
  FORWARD_DESTINATION,
  NOTIFICATION_DESTINATION,
  parseDestination,
} from "../queue/route.ts";
import type { Runner } from "../queue/runner.ts";
import { toAnswer, whyNotTold } from "../queue/schedule.ts";
import { directoryUnavailable, reply } from "../smtp/replies.ts";
import type {
  Address,
  MailParameters,
  Notify,
  OriginalRecipient,
  RcptParameters,
  ReversePath,
} from "../smtp/types.ts";
import type { Box, FindBox } from "./find-box.ts";

/** A copy for where a person forwards their mail to. */
export interface Forward {
  readonly address: Address;
  /** By which the sender reached the person. */
  readonly original: Address;
  readonly notify?: readonly Notify[];
}

/** Of whom the sender is to be told at once. */
export interface Told {
  readonly address: Address;
  readonly result: Result;
  readonly owed: "failed" | "delivered";
  readonly orcpt?: OriginalRecipient;
}

/** Where a message comes from, and what its sender wants back. */
export interface Sender {
  /** For the log: session and transaction. */
  readonly id: string;
  readonly from: ReversePath;
  /** The reverse-path is the sender's own: who is not is told nothing. */
  readonly proven: boolean;
  /** The header is in UTF-8, and the sender said so (RFC 6531). */
  readonly smtputf8: boolean;
  /** RET and ENVID. */
  readonly told: Pick<MailParameters, "ret" | "envid">;
  readonly body: Buffer;
}

/** A person's copy of a message. */
export interface Parcel {
  readonly box: Box;
  /** The address by which the person was reached. */
  readonly address: Address;
  /** What the sender wants to be told. */
  readonly wishes: RcptParameters;
}

/** A copy whose delivery has begun. */
export interface UnderWay {
  readonly parcel: Parcel;
  readonly delivery: Promise<Result>;
}

/** A message for some of its boxes. */
export interface Kept extends Sender {
  readonly waiting: readonly Parcel[];
  /** Delivered again only when what comes of the delivery says so. */
  readonly underWay: readonly UnderWay[];
  readonly forwards: readonly Forward[];
  readonly owed: readonly Told[];
}

export interface SpoolDeps {
  readonly hostname: string;
  readonly domains: readonly string[];
  readonly queue: Pick<Queue, "enqueueAll">;
  /** Stores what comes of the deliveries that are under way. */
  readonly follow: Runner["follow"];
  readonly newId: () => string;
  readonly clock: Pick<Clock, "now">;
  readonly log: Log;
}

/** Settles when the disk has all of it; rejects with QueueFull or QueueError, and then it has nothing of it. */
export type Spool = (kept: Kept) => Promise<void>;

export function createSpool(deps: SpoolDeps, notify: ComposeNotification): Spool {
  const { queue, follow, newId, clock, log } = deps;

  function toItems(
    { body }: Kept,
    envelope: StoredEnvelope,
    recipients: NewRecipient[],
    claimed = false,
  ): NewItem[] {
    if (recipients.length === 0) return [];
    return [{ id: newId(), created: clock.now(), envelope, recipients, body, claimed }];
  }

  /** To the sender, if there is one who may be told. */
  async function toNotification(kept: Kept): Promise<NewItem[]> {
    const { id, body, owed } = kept;
    const recipients = owed.map(({ address, result, owed: what, orcpt }, seq) => {
      const answer = toAnswer(result.reply, result.host);
      return { seq, address: address.text, state: what, owed: what, answer, ...(orcpt && { orcpt }) };
    });
    if (recipients.length === 0) return [];
    const envelope = toEnvelope(kept);
    const silence = whyNotTold(envelope);
    if (silence !== undefined) {
      log.info(silence, { message: id, recipients });
      return [];
    }
    return [await notify({ id, created: clock.now(), envelope, recipients }, body)];
  }

  function logNotification({ id, from, owed }: Kept, dsn: NewItem): void {
    const told = owed.map(({ owed: what }, seq) => ({ seq, owed: what }));
    log.info("dsn.queued", { message: id, dsn: dsn.id, to: from?.text ?? "", told });
  }

  return async (kept) => {
    const boxes = kept.waiting.map(toRecipient);
    const forwards = kept.forwards.map(({ address, original, notify: wish }) => ({
      address: address.text,
      destination: FORWARD_DESTINATION,
      originals: [original.text],
      ...(wish && { notify: wish }),
    }));
    const toBoxes = toBoxEnvelope(kept);
    const underWay = kept.underWay.map(({ parcel }) => toRecipient(parcel));
    const begun = toItems(kept, toBoxes, underWay, true);
    const items = [...toItems(kept, toBoxes, boxes), ...toItems(kept, toEnvelope(kept), forwards), ...begun];
    const notifications = await toNotification(kept);
    // In one transaction: the sender comes again when it fails, and whatever was kept of it would arrive twice.
    await queue.enqueueAll([...items, ...notifications]);
    for (const item of items) logAccepted(log, kept, item);
    for (const dsn of notifications) logNotification(kept, dsn);
    const deliveries = kept.underWay.map(({ delivery }) => delivery);
    for (const item of begun) followAll(item, deliveries, follow);
  };
}

/** Hands over what comes of the deliveries to an item's recipients, in their order, which have begun already. */
export function followAll(
  { recipients, body, ...item }: NewItem,
  deliveries: readonly Promise<Result>[],
  follow: Runner["follow"],
): void {
  for (const [seq, recipient] of recipients.entries()) {
    const delivery = deliveries[seq];
    if (delivery === undefined) continue;
    const due = [{ ...recipient, seq, attempts: 0 }];
    const group = { destination: recipient.destination, recipients: due };
    follow(
      { ...group, item: { ...item, size: body.length, recipients: due } },
      delivery.then((result) => [result]),
    );
  }
}

export function logAccepted(
  log: Log,
  { id, body }: Sender,
  { id: item, recipients, envelope }: NewItem,
): void {
  const to = recipients.map(({ address }) => address);
  log.info("queue.accepted", { message: id, item, from: envelope.from, to, size: body.length });
}

/** A person's copy as it is kept. */
export function toRecipient({ box, address, wishes }: Parcel): NewRecipient {
  return { ...wishes, address: address.text, destination: boxDestination(box.host) };
}

function toEnvelope({ from, body, smtputf8, told, proven }: Sender): StoredEnvelope {
  return {
    from: from?.text ?? "",
    eightBit: !isAscii(body),
    smtputf8,
    ...told,
    ...(!proven && { unproven: true }),
  };
}

/** A header in UTF-8 is the mailbox's to show. */
export function toBoxEnvelope(sender: Sender): StoredEnvelope {
  return { ...toEnvelope(sender), smtputf8: false };
}

/** Notifications leave through smtp-out. */
export function createNotifier(
  deps: Omit<SpoolDeps, "queue" | "follow" | "log">,
  { notices, retry, limits }: Pick<SmtpInSettings, "notices" | "retry" | "limits">,
): ComposeNotification {
  return createNotification({
    ...deps,
    language: notices,
    giveUpMs: retry.giveUpMs,
    // smtp-out takes no larger ones, either.
    maxBytes: limits.messageBytes,
    destination: () => NOTIFICATION_DESTINATION,
  });
}

export interface DeliverDeps {
  readonly findBox: FindBox;
  readonly boxes: BoxLine;
  readonly relay: RelayCourier;
  readonly log: Log;
}

const UNKNOWN = reply(451, "4.3.5", "The destination is not understood by this version");

/** The courier of what waits in the spool. */
export function createDeliver({ findBox, boxes, relay, log }: DeliverDeps): Deliver {
  async function toBox(delivery: Delivery, recipient: Address, signal: AbortSignal): Promise<Result> {
    try {
      // Looked up again: since it was queued the person may have moved to another box, or gone.
      const found = await findBox(recipient);
      if (found.kind === "refuse") {
        return { kind: found.reply.code < 500 ? "temporary" : "permanent", reply: found.reply };
      }
      const wishes = delivery.recipientDsn?.[delivery.recipients.indexOf(recipient)];
      const one = { ...delivery, recipients: [recipient], recipientDsn: [wishes] };
      const [result] = await boxes(found.box.host, one, { signal, tries: true });
      return result ?? { kind: "temporary", reply: UNKNOWN };
    } catch (error) {
      if (!(error instanceof DirectoryUnavailable)) throw error;
      return { kind: "temporary", reply: directoryUnavailable };
    }
  }

  async function toRelay(delivery: Delivery, event: boolean, signal: AbortSignal): Promise<Result[]> {
    const results = await relay(delivery, signal);
    for (const [index, { text }] of event ? delivery.recipients.entries() : []) {
      const { kind, reply: of } = results[index] ?? {};
      if (kind === "delivered") log.info("forward.accepted", { to: text });
      else log.warn("forward.failed", { to: text, reply: of });
    }
    return results;
  }

  return async (destination, delivery, signal) => {
    const route = parseDestination(destination);
    if (route?.kind === "relay") return toRelay(delivery, route.purpose === "forward", signal);
    if (route?.kind !== "box") return forAll(delivery.recipients, { kind: "temporary", reply: UNKNOWN });
    const results: Result[] = [];
    for (const recipient of delivery.recipients) results.push(await toBox(delivery, recipient, signal));
    return results;
  };
}
