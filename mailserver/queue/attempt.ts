/** One attempt: opens what is to be delivered, lets a courier carry it, stores what came of it. */
import type { RetrySettings } from "../contract.ts";
import type { Delivery, Result } from "../courier/types.ts";
import type { Log } from "../net/log.ts";
import { reply } from "../smtp/replies.ts";
import type { Group } from "./backlog.ts";
import type { Clock } from "./clock.ts";
import { partByAddress, toDelivery } from "./delivery.ts";
import { faultText } from "./fault.ts";
import { isEnd, type Settlement } from "./item.ts";
import { type Queue, QueueError, QueueFull } from "./queue.ts";
import { logSetAside } from "./reporter.ts";
import { type AttemptResult, settle, toAnswer, whyNotTold } from "./schedule.ts";
import type { Persist } from "./store-result.ts";

/**
 * Carries one message to one destination; one result per recipient, in their order. Gives up when aborted. `giveWay` is
 * aborted when others wait for its place: it ends soon, too, but not so that a host may have taken what is sent again.
 */
export type Deliver = (
  destination: string,
  delivery: Delivery,
  signal: AbortSignal,
  giveWay: AbortSignal,
) => Promise<readonly Result[]>;

export interface AttemptOptions {
  readonly queue: Queue;
  readonly deliver: Deliver;
  readonly retry: RetrySettings;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  readonly persist: Persist;
  /** Aborted when the runner ends. */
  readonly signal: AbortSignal;
}

/** What an attempt leaves to its caller. */
export interface Attempted {
  /** A courier was asked. */
  readonly tried: boolean;
  /** Somebody has the message now. */
  readonly delivered: boolean;
  /** Claimed, and free to be tried again: nothing was settled for them. */
  readonly left: readonly number[];
  /** Nobody works on the item any more, and it is there still: its sender may have to be told something. */
  readonly idle: boolean;
  /** Nothing is left to do for any of the group: no time at which something of it is due. */
  readonly ended: boolean;
}

/** What an attempt has to do with the place that it holds. */
export interface Place {
  readonly giveWay: AbortSignal;
  /** Called when nothing is awaited from a courier any more. */
  answered(): void;
}

/** Delivers what may still be delivered of a group. */
export async function attempt(
  group: Group,
  options: AttemptOptions,
  { giveWay, answered }: Place,
): Promise<Attempted> {
  const { deliver, signal } = options;
  const opened = await open(group, options);
  if (opened instanceof Error || opened === undefined) answered();
  // The database has a fault that may pass: that is no fault of the message.
  if (opened instanceof Error) return conclude(group, Promise.reject(opened), options);
  if (opened === undefined) {
    return {
      tried: false,
      delivered: false,
      left: group.recipients.map(({ seq }) => seq),
      idle: false,
      ended: false,
    };
  }
  const { recipients, delivery } = opened;
  const opening = new Set(recipients);
  const unopened = group.recipients.filter((recipient) => !opening.has(recipient)).map(({ seq }) => seq);
  const concluded = await conclude(
    { ...group, recipients },
    deliver(group.destination, delivery, signal, giveWay).finally(answered),
    options,
  );
  return { ...concluded, left: [...unopened, ...concluded.left] };
}

/** Stores what comes of a delivery. */
export async function conclude(
  group: Group,
  delivery: Promise<readonly Result[]>,
  { queue, clock, log, persist, ...options }: AttemptOptions,
): Promise<Attempted> {
  const { item, destination, recipients } = group;
  const results = await delivery.catch((error: unknown) => {
    log.error("queue.error", { item: item.id, destination, error });
    const answer = reply(451, "4.3.0", "The message could not be handled here");
    return recipients.map((): Result => ({ kind: "temporary", reply: answer }));
  });
  const now = clock.now();
  const settlements = toSettlements(group, results, { ...options, now });
  const { idle, gone = false } = await persist(() => queue.settle({ id: item.id, at: now, settlements }));
  logSettlements(log, group, settlements);
  const settled = new Set(settlements.map(({ seq }) => seq));
  return {
    tried: true,
    delivered: settlements.some(({ state }) => state === "delivered"),
    left: recipients.map(({ seq }) => seq).filter((seq) => !settled.has(seq)),
    idle: idle && !gone,
    ended: settlements.length === recipients.length && settlements.every(isEnd),
  };
}

type Opened = Pick<Group, "recipients"> & { readonly delivery: Delivery };

/**
 * Who was held or dropped since it was claimed is left out; when the item can't be read the group is set aside, and so is
 * a recipient whose address is none. An error when it can't be opened now.
 */
async function open(
  group: Group,
  { queue, clock, log, persist }: AttemptOptions,
): Promise<Opened | Error | undefined> {
  const { id } = group.item;
  const setAside = async (cause: string, recipients: Group["recipients"]): Promise<void> => {
    const what = { id, cause, at: clock.now(), seqs: recipients.map(({ seq }) => seq) };
    const aside = await persist(() => queue.setAside(what));
    logSetAside(log, aside === undefined ? [] : [aside]);
  };
  try {
    const begun = await queue.begin({ id, seqs: group.recipients.map(({ seq }) => seq) });
    if (begun === undefined) return undefined;
    const ready = group.recipients.filter(({ seq }) => begun.seqs.includes(seq));
    const [recipients, broken] = partByAddress(ready);
    if (broken.length > 0) {
      const cause = broken.map(({ seq, address }) => `recipient ${seq}: ${address} is no address`).join("; ");
      await setAside(cause, broken);
    }
    if (recipients.length === 0) return undefined;
    return { recipients, delivery: toDelivery({ item: group.item, recipients, body: begun.body }) };
  } catch (error) {
    if (error instanceof QueueError || error instanceof QueueFull) return error;
    // Others of the item may be on their way to another destination.
    await setAside(faultText(error), group.recipients);
    return undefined;
  }
}

function toSettlements(
  { item, recipients }: Group,
  results: readonly Result[],
  {
    now,
    retry,
    random,
    signal,
  }: Pick<AttemptOptions, "retry" | "random" | "signal"> & { readonly now: number },
): Settlement[] {
  return recipients.flatMap((recipient, index) => {
    const result = toAttempt(results[index]);
    // Cut off by our own end: that is no attempt, and the recipient is due again at the next start.
    if (signal.aborted && result.kind === "temporary") return [];
    return [
      settle(recipient, result, {
        created: item.created,
        now,
        settings: retry,
        random: random(),
        silent: whyNotTold(item.envelope) !== undefined,
      }),
    ];
  });
}

const EVENTS = {
  delivered: "queue.delivered",
  pending: "queue.deferred",
  failed: "queue.failed",
  expired: "queue.failed",
  held: "queue.stranded",
} as const;

function logSettlements(log: Log, group: Group, settlements: readonly Settlement[]): void {
  for (const { seq, state, answer, attempts, nextAttempt } of settlements) {
    const to = group.recipients.find((recipient) => recipient.seq === seq)?.address;
    const facts = { item: group.item.id, to, state, answer, attempts, nextAttempt };
    // It waits for somebody who reads this.
    if (state === "held") log.warn(EVENTS.held, facts);
    else log.info(EVENTS[state], facts);
  }
}

function toAttempt(result: Result | undefined): AttemptResult {
  // A courier that gives fewer results than recipients must not crash the queue: those are tried again.
  if (result === undefined) {
    return {
      kind: "temporary",
      answer: { code: 451, status: "4.3.0", text: "No result for this recipient" },
    };
  }
  const { kind, reply: of, host, dsn } = result;
  return { kind, answer: toAnswer(of, host), ...(dsn && { dsn }) };
}
