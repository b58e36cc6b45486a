/** Hands a received message on: straight into each box that takes it now, the rest into the spool. */
import { isAscii } from "node:buffer";
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
import type { Forward, Parcel, Sender, Spool, Told } from "./spool.ts";
import type { Tandem } from "./tandem.ts";

export interface Message extends Sender {
  /** One per box. */
  readonly parcels: readonly Parcel[];
  /** Bounces of what was forwarded, on their way to who sent it. Of these and the parcels there is at least one. */
  readonly returns?: readonly Forward[];
  readonly body: Buffer;
}

export interface MailDropDeps {
  readonly boxes: BoxLine;
  readonly spool: Spool;
  readonly tandem: Tandem;
  readonly queue: Pick<Queue, "hasRoom">;
  readonly clock: Pick<Clock, "now">;
  readonly log: Log;
}

/** Takes responsibility for a message, or says why not. */
export type MailDrop = (message: Message) => Promise<Decision>;

/** Boxes that one message is delivered to at the same time. */
const AT_ONCE = 10;
/**
 * More than this waiting for one box go into the spool, rather than hold their senders, and so does who waits for longer: many
 * senders hang up after five minutes (RFC 5321 section 4.5.3.2.6 asks for ten), and the message would come again.
 */
const PATIENCE = 50;
const PATIENCE_MS = 60_000;

const noRoom = replies.reply(452, "4.3.1", "No room for the message now, try again later");

export function createMailDrop(deps: MailDropDeps): MailDrop {
  return async (message) => {
    await checkRoom(message, deps);
    const taken = await deps.tandem(message, (parcel) => deliverOne(message, parcel, deps));
    if (taken.kind === "kept") return { kind: "accept" };
    const results = await (taken.results ?? deliverAll(message, deps));
    const settled: Settled =
      results.length > 0 ? settleOutcomes(results) : { kind: "accept", waiting: [], failed: [] };
    if (settled.kind === "refuse") return settled;
    const { parcels, returns = [], ...sent } = message;
    const pick = <T>(all: readonly T[], indices: readonly number[]): T[] =>
      all.filter((_, index) => indices.includes(index));
    // Of what nobody can be told the spool takes care: it is the only place that still has it.
    const unheard = isMute(message)
      ? settled.failed.filter((index) => wantsFailure(parcels[index]?.wishes.notify))
      : [];
    const waiting = pick(parcels, [...settled.waiting, ...unheard]);
    const done = parcels.map((parcel, index) => ({ ...parcel, result: results[index] ?? lost }));
    const owed = done.flatMap((parcel, index) =>
      owedOf(parcel, settled.failed.includes(index) && !unheard.includes(index)),
    );
    // Who refuses a message does not get it elsewhere either.
    const holders = parcels.filter((_, index) => !settled.failed.includes(index));
    // Two people may forward to the same place: smtp-out sends it there once, and knows for whom.
    const forwards = [...returns, ...holders.flatMap((parcel) => forwardOf(message, parcel, deps.log))];
    if (waiting.length + owed.length + forwards.length > 0) {
      await keep(() => deps.spool({ ...sent, waiting, owed, forwards }));
    }
    return { kind: "accept" };
  };
}

/**
 * Refuses for now what the spool will, or may, have to take a part of, and has no room for: once a box has its copy it is too
 * late, and each time that the sender comes again it would have another.
 */
async function checkRoom(message: Message, { boxes, queue }: MailDropDeps): Promise<void> {
  if (!leavesRest(message, (host) => boxes.healthy(host) === "free")) return;
  // One for those whom it is forwarded to, and perhaps one for boxes that don't take it now, and a notification.
  await keep(async () => {
    if (!(await queue.hasRoom(3 * message.body.length))) throw new QueueFull("the disk is full");
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

const lost: Result = { kind: "temporary", reply: replies.localError };

async function deliverAll(message: Message, deps: MailDropDeps): Promise<Result[]> {
  const results: Result[] = [];
  const left = message.parcels.entries();
  // Each worker takes the next one from the same iterator.
  const work = async (): Promise<void> => {
    for (const [index, parcel] of left) results[index] = await deliverOne(message, parcel, deps);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return results;
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
  const began = clock.now();
  const [result = lost] = await boxes(box.host, delivery, { patience: PATIENCE, patienceMs: PATIENCE_MS });
  const ms = clock.now() - began;
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
