/** Which people's copies are sent on to their forward addresses. Their own copy stays in any case. */
import { deliveredBefore } from "../message/delivered-to.ts";
import type { Message } from "../message/header.ts";
import type { Log } from "../net/log.ts";
import { parseEnvelopeAddress } from "../smtp/address.ts";
import type { FindBox } from "./find-box.ts";
import type { Parcel } from "./spool.ts";

export interface ForwardFacts {
  /** Of the message, for the log. */
  readonly id: string;
  readonly message: Pick<Message, "fields">;
  /** Its author may be taken for one of ours, and is not proven to be. */
  readonly inOurName: boolean;
}

/**
 * Why a copy is not sent on: a stranger says to be one of us; whose address it is has the message in any case; or it was sent
 * on from here before.
 */
type Reason = "author" | "recipient" | "returned";

/** More mailboxes of ours than a message has been through; each costs a question. */
const MOST_BEFORE = 20;

export interface ForwardDeps {
  readonly findBox: FindBox;
  /** Ours. */
  readonly domains: readonly string[];
  readonly log: Log;
}

/** The parcels without the forwards that are left out. Throws DirectoryUnavailable. */
export async function withoutForwards(
  parcels: readonly Parcel[],
  { id, message, inOurName }: ForwardFacts,
  { findBox, domains, log }: ForwardDeps,
): Promise<Parcel[]> {
  if (parcels.every(({ box }) => box.forward === undefined)) return [...parcels];
  const recipients = new Set(parcels.map(({ box }) => box.uid));
  const before = inOurName ? new Set<string>() : await holdersBefore();

  /** By uid: it comes back to any of a person's addresses. */
  async function holdersBefore(): Promise<Set<string>> {
    const ours = deliveredBefore(message.fields).filter(({ domain }) => domains.includes(domain));
    const found = await Promise.all(ours.slice(0, MOST_BEFORE).map(findBox));
    return new Set(found.flatMap((one) => (one.kind === "box" ? one.box.uid : [])));
  }

  async function whyNot(forward: string, uid: string): Promise<Reason | undefined> {
    if (inOurName) return "author";
    // RFC 9228 section 4, as Postfix does it; but no bounce, since the box has the message.
    if (before.has(uid)) return "returned";
    const place = parseEnvelopeAddress(forward);
    const found = place && (await findBox(place));
    return found?.kind === "box" && recipients.has(found.box.uid) ? "recipient" : undefined;
  }

  async function send({ box, ...parcel }: Parcel): Promise<Parcel> {
    const { forward, ...own } = box;
    const reason = forward === undefined ? undefined : await whyNot(forward, own.uid);
    if (reason === undefined) return { box, ...parcel };
    log.info("forward.withheld", { message: id, box: own.uid, reason });
    return { box: own, ...parcel };
  }

  return Promise.all(parcels.map(send));
}
