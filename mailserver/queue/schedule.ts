/** When a recipient is tried again, and when it is given up. Pure. */
import type { RetrySettings } from "../contract.ts";
import type { Outcome, Reply } from "../smtp/types.ts";
import type { Answer, DueRecipient, Settlement } from "./item.ts";

/** Each delay is moved by up to this part of itself, so that what failed together does not return together. */
const JITTER = 0.2;

/** Milliseconds until the next attempt after `attempts` failed ones (≥ 1); `random` is in [0, 1). */
export function retryDelay(attempts: number, settings: RetrySettings, random: number): number {
  const doubled = settings.firstMs * 2 ** Math.min(attempts - 1, 30);
  const delay = Math.min(doubled, settings.maxMs);
  return Math.round(delay * (1 - JITTER + 2 * JITTER * random));
}

/** An outcome with the words for it. */
export interface AttemptResult {
  readonly kind: Outcome["kind"];
  readonly answer: Answer;
}

/** A reply as it is kept. `host` is the peer that gave it. */
export function toAnswer({ code, enhanced, lines }: Reply, host?: string): Answer {
  const status = enhanced ?? `${Math.floor(code / 100)}.0.0`;
  const answer = { code, status, text: lines.join(" ") };
  return host === undefined ? answer : { ...answer, host };
}

export interface AttemptFacts {
  readonly created: number;
  readonly now: number;
  readonly settings: RetrySettings;
  readonly random: number;
}

/** The recipient's state after an attempt. */
export function settle(recipient: DueRecipient, result: AttemptResult, facts: AttemptFacts): Settlement {
  const attempts = recipient.attempts + 1;
  const base = { seq: recipient.seq, attempts, answer: result.answer };
  if (result.kind === "delivered") return { ...base, state: "delivered" };
  if (result.kind === "permanent") return { ...base, state: "failed" };
  const end = facts.created + facts.settings.giveUpMs;
  if (facts.now >= end) return { ...base, state: "expired" };
  // The last attempt is made at the very end (RFC 5321 section 4.5.4.1 wants 4 to 5 days), not one delay before.
  const next = facts.now + retryDelay(attempts, facts.settings, facts.random);
  return { ...base, state: "pending", nextAttempt: Math.min(next, end) };
}
