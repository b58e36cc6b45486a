/** One reply for several boxes: what is refused in session, what waits, what is reported. Pure. */
import { localError } from "../smtp/replies.ts";
import type { Outcome, Reply } from "../smtp/types.ts";

/** Positions are those of the outcomes. */
export type Settled =
  | { readonly kind: "refuse"; readonly reply: Reply }
  | {
      readonly kind: "accept";
      /** Tried again from the spool. */
      readonly waiting: readonly number[];
      /** Reported to the sender. */
      readonly failed: readonly number[];
    };

/** RFC 3463 X.2.2: the mailbox is full. */
function overQuota({ kind, reply }: Outcome): boolean {
  return kind === "temporary" && reply.enhanced === "4.2.2";
}

/**
 * A refusal that the sender can do something about is said in session, as long as nobody has the message. Once a
 * box has it, or it will wait for one, the reply is 250: anything else would deliver it twice.
 */
export function settleOutcomes(outcomes: readonly Outcome[]): Settled {
  const ours = outcomes.some((outcome) => outcome.kind === "delivered" || waits(outcome));
  if (!ours) {
    // With a full mailbox among them the sender tries all again; the others will refuse again.
    const said = outcomes.find(overQuota) ?? outcomes[0];
    return { kind: "refuse", reply: inSession(said?.reply ?? localError) };
  }
  const those = (wanted: Outcome["kind"]) =>
    outcomes.flatMap(({ kind }, index) => (kind === wanted ? [index] : []));
  return { kind: "accept", waiting: those("temporary"), failed: those("permanent") };
}

function waits(outcome: Outcome): boolean {
  return outcome.kind === "temporary" && !overQuota(outcome);
}

/** A reply that ends the box's session with us ends not ours with the client. */
function inSession({ close: _, ...reply }: Reply): Reply {
  return reply.code === 421 ? { ...reply, code: 451 } : reply;
}
