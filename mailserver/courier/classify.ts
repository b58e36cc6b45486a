/** What a failure means for a message and for the hosts not yet tried. Pure. */
import type { ClientStage, Outcome, Reply } from "../smtp/types.ts";

/** What to do after a host could take nothing at all. */
export type NextStep =
  /** Once more to the same host without TLS: opportunistic TLS must never be the reason not to deliver. */
  | "clearText"
  /** The next host may do better; when there is none, the message waits. */
  | "nextHost"
  /** No host of this domain will ever take it. */
  | "giveUp";

/** RFC 7504 sections 3 and 4: "this host takes no mail, ever", said in the greeting. */
const NEVER = new Set([521, 556]);

/** After a failure before the envelope: connection, greeting, EHLO, TLS. */
export function afterConnectFailure(stage: ClientStage, reply: Reply): NextStep {
  if (stage === "tls") return "clearText";
  if (NEVER.has(reply.code)) return "giveUp";
  return "nextHost";
}

/**
 * What a recipient hears when `reply` was the last host's. A 5xx greeting speaks of the connection (a block list,
 * an overload), not of the message, so the message waits; a 5xx to EHLO or AUTH speaks of us and will not change.
 */
export function connectOutcome(stage: ClientStage, reply: Reply): Outcome {
  const permanent = reply.code >= 500 && (NEVER.has(reply.code) || (stage !== "greeting" && stage !== "tls"));
  return { kind: permanent ? "permanent" : "temporary", reply };
}

/**
 * Whether another host may be asked at once for a recipient with this outcome. Not when the connection was lost
 * (X.4.2) or a time limit passed: the host may have taken the message, and a second one would deliver it twice.
 */
export function tryAnotherHost(outcome: Outcome): boolean {
  return outcome.kind === "temporary" && outcome.reply.enhanced?.startsWith("4.4.") !== true;
}
