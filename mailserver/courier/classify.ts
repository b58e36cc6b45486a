/** What a failure means for a message and for the hosts not yet tried. Pure: tables, and what reads them. */
import { badPeerReply, connectionLost, peerTimeout } from "../smtp/replies.ts";
import type { ClientStage, Outcome, Reply } from "../smtp/types.ts";

/** What to do after a host could take nothing at all. */
export type NextStep =
  /** Once more to the same host without TLS: opportunistic TLS must never be the reason not to deliver. */
  | "clearText"
  /** The next address or host may do better: one odd host must not bounce the mail of a domain. */
  | "nextHost";

interface ConnectRule {
  /** Any, when absent. */
  readonly stages?: readonly ClientStage[];
  /** Any, when absent. */
  readonly replies?: (code: number) => boolean;
  readonly next: NextStep;
  /** What it is for the message when every host of the domain failed in such a way, and none is left. */
  readonly last: "temporary" | "permanent";
}

const never = (code: number): boolean => code === 521 || code === 556;
const refusal = (code: number): boolean => code >= 500;

/** Failures before the envelope. The first rule that fits holds. */
const CONNECT_RULES: readonly ConnectRule[] = [
  // RFC 3207 section 4: the server may refuse TLS or be unable to speak it, and still be the right one.
  { stages: ["tls"], next: "clearText", last: "temporary" },
  // RFC 7504 section 3: "this host takes no mail, ever"; RFC 1846 section 5 lets us ask another one.
  { replies: never, next: "nextHost", last: "permanent" },
  // RFC 5321 section 3.1 has 554 for "no mail here", but block lists and overload greet with it too, so it speaks of
  // the connection rather than of the message, which waits. Postfix does the same (smtp_skip_5xx_greeting).
  { stages: ["connect", "greeting"], next: "nextHost", last: "temporary" },
  // RFC 5321 section 4.2.1: EHLO, HELO or AUTH was refused for good. It speaks of us and will not change.
  { replies: refusal, next: "nextHost", last: "permanent" },
  // 421 and other 4xx, time-outs, lost connections, nonsense.
  { next: "nextHost", last: "temporary" },
];

function ruleFor(stage: ClientStage, { code }: Reply): ConnectRule {
  const fits = ({ stages, replies }: ConnectRule): boolean =>
    stages?.includes(stage) !== false && replies?.(code) !== false;
  return CONNECT_RULES.find(fits) ?? { next: "nextHost", last: "temporary" };
}

/** After a failure before the envelope: connection, greeting, EHLO, TLS. */
export function afterConnectFailure(stage: ClientStage, reply: Reply): NextStep {
  return ruleFor(stage, reply).next;
}

/** What a recipient hears when every host failed as this one did. */
export function connectOutcome(stage: ClientStage, reply: Reply): Outcome {
  return { kind: ruleFor(stage, reply).last, reply };
}

/**
 * What stands after one more host could take nothing: permanent when all say so; otherwise the first temporary reason,
 * which is that of the best host.
 */
export function afterAnotherHost<T extends Outcome>(before: T | undefined, now: T): T {
  return before?.kind === "temporary" ? before : now;
}

/** Our own words for "no answer came", or none that can be understood: what the host did is not known. */
export const UNKNOWN = new Set<Reply>([connectionLost, peerTimeout, badPeerReply]);

/**
 * Whether another host may be asked at once for a recipient with this outcome of a transaction. Not when the body was
 * on its way and no answer followed: the host may have taken the message, and a second one would deliver it twice.
 */
export function tryAnotherHost({ kind, reply }: Outcome, { bodyBegan }: { bodyBegan: boolean }): boolean {
  return kind === "temporary" && !(bodyBegan && UNKNOWN.has(reply));
}
