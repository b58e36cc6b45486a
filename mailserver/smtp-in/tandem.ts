/**
 * Takes a message onto the disk while it is on its way into the boxes: while mail keeps coming for a person nobody has
 * to wait until the box has written it. Only for boxes that took mail a moment ago; what others have to say, that they
 * are full or away, is for the sender to hear.
 */
import type { BoxLine } from "../courier/box-line.ts";
import type { Result } from "../courier/types.ts";
import type { Log } from "../net/log.ts";
import type { Clock } from "../queue/clock.ts";
import type { NewItem } from "../queue/item.ts";
import type { Queue } from "../queue/queue.ts";
import type { Runner } from "../queue/runner.ts";
import type { Message } from "./mail-drop.ts";
import { followAll, logAccepted, type Parcel, toBoxEnvelope, toRecipient } from "./spool.ts";

export interface TandemDeps {
  readonly boxes: Pick<BoxLine, "healthy">;
  readonly queue: Pick<Queue, "enqueue">;
  /** Stores what comes of the deliveries. */
  readonly follow: Runner["follow"];
  readonly newId: () => string;
  readonly clock: Pick<Clock, "now">;
  readonly log: Log;
}

/** What became of a message. */
export type Taken =
  | { readonly kind: "kept" }
  /** It has to be waited for, in part for deliveries that have begun. */
  | { readonly kind: "wait"; readonly results?: Promise<Result[]> };

/** Settles when the disk has all of the message, or when that can't be had. */
export type Tandem = (message: Message, deliver: (parcel: Parcel) => Promise<Result>) => Promise<Taken>;

/** Messages that senders don't wait for are held in memory until the boxes have them, so many bytes of them in all. */
const MAX_BYTES = 16 * 1024 * 1024;
/** And one has no more copies than this. */
const MAX_PARCELS = 5;

export function createTandem(deps: TandemDeps): Tandem {
  const { boxes, queue, follow, newId, clock, log } = deps;
  let bytes = 0;

  /** Whether the message goes into the boxes at once or in its turn; undefined: the sender has to wait for them. */
  function plan({ parcels, returns = [], body }: Message): "now" | "later" | undefined {
    // A forward leaves only when it is known that the person's own box did not refuse the message.
    if (returns.length > 0 || parcels.some(({ box }) => box.forward !== undefined)) return undefined;
    if (parcels.length > MAX_PARCELS) return undefined;
    const states = parcels.map(({ box }) => boxes.healthy(box.host));
    // What the disk would cost on top makes a slow box slower.
    if (states.includes(undefined) || states.includes("slow")) return undefined;
    return states.includes("busy") || bytes + body.length > MAX_BYTES ? "later" : "now";
  }

  return async (message, deliver) => {
    const when = plan(message);
    if (when === undefined) return { kind: "wait" };
    const { parcels, body } = message;
    const recipients = parcels.map(toRecipient);
    const envelope = toBoxEnvelope(message);
    const created = clock.now();
    const claimed = when === "now";
    const item: NewItem = { id: newId(), created, envelope, recipients, body, claimed };
    const results = claimed ? begin(message, deliver) : [];
    try {
      await queue.enqueue(item);
    } catch (error) {
      // No room: it may still be in the boxes before the sender has to come again.
      log.warn("queue.error", { message: message.id, error });
      return claimed ? { kind: "wait", results: Promise.all(results) } : { kind: "wait" };
    }
    logAccepted(log, message, item);
    followAll(item, results, follow);
    return { kind: "kept" };
  };

  function begin(message: Message, deliver: (parcel: Parcel) => Promise<Result>): Promise<Result>[] {
    const { length } = message.body;
    bytes += length;
    const results = message.parcels.map(deliver);
    void Promise.allSettled(results).then(() => {
      bytes -= length;
    });
    return results;
  }
}
