/** What could not be handed on at once: kept on the disk until it can be, or until the sender is told. */
import { isAscii } from "node:buffer";
import type { BoxLine } from "../courier/box-line.ts";
import { type ComposeNotification, createNotification } from "../courier/notification.ts";
import type { RelayCourier } from "../courier/relay.ts";
import { type Delivery, forAll, type Result } from "../courier/types.ts";
import type { Log } from "../net/log.ts";
import { DirectoryUnavailable } from "../policy/recipient.ts";
import type { Clock } from "../queue/clock.ts";
import type { NewItem, NewRecipient } from "../queue/item.ts";
import type { Queue } from "../queue/queue.ts";
import {
  boxDestination,
  FORWARD_DESTINATION,
  NOTIFICATION_DESTINATION,
  parseDestination,
} from "../queue/route.ts";
import type { Deliver } from "../queue/runner.ts";
import { toAnswer } from "../queue/schedule.ts";
import { directoryUnavailable, reply } from "../smtp/replies.ts";
import type { Address, ReversePath } from "../smtp/types.ts";
import type { Box, FindBox } from "./find-box.ts";

/** A copy for where a person forwards their mail to. */
export interface Forward {
  readonly address: Address;
  /** By which the sender reached the person. */
  readonly original: Address;
}

/** A message for some of its boxes. */
export interface Kept {
  /** For the log: session and transaction. */
  readonly id: string;
  readonly from: ReversePath;
  readonly body: Buffer;
  readonly waiting: readonly { readonly box: Box; readonly address: Address }[];
  readonly forwards: readonly Forward[];
  readonly failed: readonly { readonly address: Address; readonly result: Result }[];
}

export interface SpoolDeps {
  readonly hostname: string;
  readonly domains: readonly string[];
  readonly queue: Pick<Queue, "enqueue">;
  readonly newId: () => string;
  readonly clock: Pick<Clock, "now">;
  readonly log: Log;
}

/** Settles when the disk has all of it; rejects with QueueFull or QueueError. */
export type Spool = (kept: Kept) => Promise<void>;

export function createSpool(deps: SpoolDeps, notify: ComposeNotification): Spool {
  const { queue, newId, clock, log } = deps;

  function toItem({ from, body }: Kept, recipients: NewRecipient[]): NewItem[] {
    if (recipients.length === 0) return [];
    const texts = [from?.text ?? "", ...recipients.map(({ address }) => address)].join("");
    const envelope = {
      from: from?.text ?? "",
      eightBit: !isAscii(body),
      // A header in UTF-8 is the mailbox's to show; only an address in UTF-8 needs the extension on the way.
      smtputf8: !isAscii(Buffer.from(texts)),
    };
    return [{ id: newId(), created: clock.now(), envelope, recipients, body }];
  }

  /** RFC 5321 section 6.1: told to the sender, unless the reverse-path is null. */
  async function toNotification({ id, from, body, failed }: Kept): Promise<NewItem[]> {
    if (failed.length === 0) return [];
    const recipients = failed.map(({ address, result }, seq) => {
      const answer = toAnswer(result.reply, result.host);
      return { seq, address: address.text, state: "failed" as const, answer };
    });
    if (from === null) {
      log.info("dsn.suppressed", { message: id, recipients });
      return [];
    }
    const envelope = { from: from.text, eightBit: false, smtputf8: false };
    const dsn = await notify({ id, created: clock.now(), envelope, recipients }, body);
    log.info("dsn.queued", { message: id, dsn: dsn.id, to: from.text });
    return [dsn];
  }

  return async (kept) => {
    const boxes = kept.waiting.map(({ box, address }) => ({
      address: address.text,
      destination: boxDestination(box.host),
    }));
    const forwards = kept.forwards.map(({ address, original }) => ({
      address: address.text,
      destination: FORWARD_DESTINATION,
      originals: [original.text],
    }));
    const items = [...toItem(kept, boxes), ...toItem(kept, forwards)];
    const all = [...items, ...(await toNotification(kept))];
    // Asked for at once, so that they share a commit.
    await Promise.all(all.map((item) => queue.enqueue(item)));
    for (const { id: item, recipients, envelope } of items) {
      const to = recipients.map(({ address }) => address);
      log.info("queue.accepted", { message: kept.id, item, from: envelope.from, to, size: kept.body.length });
    }
  };
}

/** Notifications leave through smtp-out. */
export function createNotifier(deps: Omit<SpoolDeps, "queue" | "log">): ComposeNotification {
  return createNotification({ ...deps, destination: () => NOTIFICATION_DESTINATION });
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
      const one = { ...delivery, recipients: [recipient] };
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
