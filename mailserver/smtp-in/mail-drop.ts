/** Hands a received message on: straight into each box that takes it now, the rest into the spool. */
import { isAscii } from "node:buffer";
import type { Health } from "../courier/box-health.ts";
import type { BoxLine } from "../courier/box-line.ts";
import type { Delivery, Result } from "../courier/types.ts";
import { describeReply } from "../net/consult.ts";
import type { Log } from "../net/log.ts";
import { forwardWish, wantsFailure, wantsSuccess } from "../policy/notify.ts";
import { type Settled, settleOutcomes } from "../policy/outcomes.ts";
import type { Clock } from "../queue/clock.ts";
import { type Queue, QueueFull } from "../queue/queue.ts";
import { fitsDns, parseEnvelopeAddress } from "../smtp/address.ts";
import { SmtpError } from "../smtp/error.ts";
import * as replies from "../smtp/replies.ts";
import type { Decision } from "../smtp/types.ts";
import { Copies, type Copy } from "./copies.ts";
import type { Forward, Kept, Parcel, Sender, Spool, Told, UnderWay } from "./spool.ts";
import type { Tandem } from "./tandem.ts";

export interface Message extends Sender {
  /** One per box. */
  readonly parcels: readonly Parcel[];
  /** Bounces of what was forwarded, on their way to who sent it. Of these and the parcels there is at least one. */
  readonly returns?: readonly Forward[];
  readonly body: Buffer;
}

/** The client that waits for the answer. */
export interface Client {
  /** When its final dot came, by `clock.elapsed`. */
  readonly since: number;
  /** The message is held until then, although the answer is given. */
  readonly hold: (until: Promise<unknown>) => void;
}

export interface MailDropDeps {
  readonly boxes: BoxLine;
  readonly spool: Spool;
  readonly tandem: Tandem;
  readonly queue: Pick<Queue, "hasRoom">;
  readonly clock: Pick<Clock, "elapsed" | "after">;
  readonly log: Log;
}

/** Takes responsibility for a message, or says why not. */
export type MailDrop = (message: Message, client: Client) => Promise<Decision>;

/**
 * From the final dot on: what the boxes don't have by then is the spool's. Many senders hang up after five minutes (RFC 5321
 * section 4.5.3.2.6 asks for ten), and the message would come again; section 6.1 and RFC 1047 want an answer soon.
 */
const ANSWER_MS = 120_000;
/** More than this waiting for one box go into the spool, and so does who waits for longer, rather than hold their senders. */
const PATIENCE = 50;
const PATIENCE_MS = 60_000;

/** Of one message in the spool: for boxes that don't take it now, for those that it is on its way to, forwards, a notification. */
const MOST_ITEMS = 4;

/** Boxes that took a message a moment ago take the next one: but not for who loses patience in a long line. */
const TAKES: ReadonlySet<Health | undefined> = new Set(["free", "slow"]);

const unfinished: Result = { kind: "temporary", reply: replies.localError };
const noRoom = replies.reply(452, "4.3.1", "No room for the message now, try again later");

export function createMailDrop(deps: MailDropDeps): MailDrop {
  return async (message, client) => {
    await checkRoom(message, deps);
    const copies = new Copies(message.parcels, (parcel) => deliverOne(message, parcel, deps));
    const taken = await deps.tandem(message, copies.begin);
    if (taken.kind === "kept") return { kind: "accept" };
    await inTime(taken.results ?? copies.beginAll(), { message, client, ...deps });
    const { decision, kept } = settle(message, copies.stop(), deps.log);
    if (kept !== undefined) {
      client.hold(Promise.allSettled(kept.underWay.map(({ delivery }) => delivery)));
      await keep(() => deps.spool(kept));
    }
    return decision;
  };
}

/**
 * Settles with `work`, or when the client has waited long enough. What has begun by then is not cut off: a box that has the
 * message would get it again from the spool. Without room for it there the boxes have to be waited for.
 */
async function inTime(
  work: Promise<unknown>,
  { message, client, clock, queue }: MailDropDeps & { readonly message: Message; readonly client: Client },
): Promise<void> {
  const { promise: longEnough, resolve } = Promise.withResolvers<void>();
  const leave = async (): Promise<void> => {
    if (await queue.hasRoom(MOST_ITEMS * message.body.length).catch(() => false)) resolve();
  };
  const cancel = clock.after(client.since + ANSWER_MS - clock.elapsed(), () => void leave());
  await Promise.race([work, longEnough]).finally(cancel);
}

/** What the client is told, and what the spool has to take for that. */
function settle(
  message: Message,
  copies: readonly Copy[],
  log: Log,
): { readonly decision: Decision; readonly kept?: Kept } {
  const { parcels, returns = [], ...sent } = message;
  const results = copies.map(({ result = unfinished }) => result);
  const settled: Settled =
    results.length > 0 ? settleOutcomes(results) : { kind: "accept", waiting: [], failed: [] };
  if (settled.kind === "refuse") return { decision: settled };
  const pick = <T>(all: readonly T[], indices: readonly number[]): T[] =>
    all.filter((_, index) => indices.includes(index));
  // Of what nobody can be told the spool takes care: it is the only place that still has it.
  const unheard = isMute(message)
    ? settled.failed.filter((index) => wantsFailure(parcels[index]?.wishes.notify))
    : [];
  const underWay = parcels.flatMap((parcel, index): UnderWay[] => {
    const { delivery, result } = copies[index] ?? {};
    return delivery === undefined || result !== undefined ? [] : [{ parcel, delivery }];
  });
  const begun = underWay.map(({ parcel }) => parcel);
  const waiting = pick(parcels, [...settled.waiting, ...unheard]).filter((parcel) => !begun.includes(parcel));
  const done = parcels.map((parcel, index) => ({ ...parcel, result: results[index] ?? unfinished }));
  const owed = done.flatMap((parcel, index) =>
    owedOf(parcel, settled.failed.includes(index) && !unheard.includes(index)),
  );
  // Who refuses a message does not get it elsewhere either.
  const holders = parcels.filter((_, index) => !settled.failed.includes(index));
  // Two people may forward to the same place: smtp-out sends it there once, and knows for whom.
  const forwards = [...returns, ...holders.flatMap((parcel) => forwardOf(message, parcel, log))];
  const nothing = waiting.length + underWay.length + owed.length + forwards.length === 0;
  return {
    decision: { kind: "accept" },
    ...(!nothing && { kept: { ...sent, waiting, underWay, owed, forwards } }),
  };
}

/**
 * Refuses for now what the spool will, or may, have to take a part of, and has no room for: once a box has its copy it is too
 * late, and each time that the sender comes again it would have another.
 */
async function checkRoom(message: Message, { boxes, queue }: MailDropDeps): Promise<void> {
  if (!leavesRest(message, (host) => TAKES.has(boxes.healthy(host)))) return;
  await keep(async () => {
    if (!(await queue.hasRoom(MOST_ITEMS * message.body.length))) throw new QueueFull("the disk is full");
  });
}

/** Whether something may be left for the spool when a box has its copy. */
function leavesRest(
  { parcels, returns = [], ...sender }: Message,
  takes: (host: string) => boolean,
): boolean {
  if (returns.length > 0 || parcels.some(({ box }) => box.forward !== undefined)) return true;
  if (!isMute(sender) && parcels.some(({ wishes }) => wantsSuccess(wishes.notify))) return true;
  // Boxes that don't fail are not held up by one that does and has filled the disk. One that begins to fail now costs the
  // others a second copy once: the next time it is known.
  return parcels.length > 1 && !parcels.every(({ box }) => takes(box.host));
}

/** Nobody can be told what becomes of it. */
function isMute({ from, proven }: Pick<Message, "from" | "proven">): boolean {
  return from === null || !proven;
}

/** What the sender is to be told of a box at once (RFC 3461 section 4.1). */
function owedOf(parcel: Parcel & { readonly result: Result }, failed: boolean): Told[] {
  const { address, result, wishes } = parcel;
  const base = { address, result, ...(wishes.orcpt && { orcpt: wishes.orcpt }) };
  if (failed) return wantsFailure(wishes.notify) ? [{ ...base, owed: "failed" }] : [];
  const tells = result.kind === "delivered" && !result.dsn && wantsSuccess(wishes.notify);
  return tells ? [{ ...base, owed: "delivered" }] : [];
}

async function deliverOne(
  message: Message,
  parcel: Parcel,
  { boxes, clock, log }: MailDropDeps,
): Promise<Result> {
  const { from, body, told, proven } = message;
  const { box, address, wishes } = parcel;
  const delivery: Delivery = {
    from,
    recipients: [address],
    dsn: told,
    recipientDsn: [proven ? wishes : { ...wishes, notify: [] }],
    body,
    eightBit: !isAscii(body),
    // A header in UTF-8 is the mailbox's to show.
    smtputf8: false,
  };
  const began = clock.elapsed();
  const [result = unfinished] = await boxes(box.host, delivery, {
    patience: PATIENCE,
    patienceMs: PATIENCE_MS,
  });
  const ms = Math.round(clock.elapsed() - began);
  const facts = { message: message.id, box: box.uid, recipient: address.text, from: from?.text ?? "", ms };
  if (result.kind === "delivered") log.info("lmtp.delivered", facts);
  else log.warn("lmtp.refused", { ...facts, ...describeReply(result.reply) });
  return result;
}

/** A forward that is no address must not cost the person their own copy. */
function forwardOf({ id }: Message, { box, address: original, wishes }: Parcel, log: Log): Forward[] {
  if (box.forward === undefined) return [];
  const address = parseEnvelopeAddress(box.forward);
  const notify = forwardWish(wishes.notify);
  if (address !== undefined && fitsDns(address)) return [{ address, original, ...(notify && { notify }) }];
  log.warn("forward.failed", { message: id, box: box.uid, forward: box.forward });
  return [];
}

async function keep(store: () => Promise<void>): Promise<void> {
  try {
    await store();
  } catch (error) {
    throw new SmtpError(error instanceof QueueFull ? noRoom : replies.localError, error);
  }
}
