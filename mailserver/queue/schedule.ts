/** When a recipient is tried again, and when it is given up. Pure. */
import type { RetrySettings } from "../contract.ts";
import type { Notify, Outcome, Reply } from "../smtp/types.ts";
import type { Answer, DueRecipient, Owed, RecipientState, Settlement, StoredEnvelope } from "./item.ts";
import { parseDestination } from "./route.ts";

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
  /** The peer took over the duty to tell the sender of its success. */
  readonly dsn?: true;
}

/** RFC 3461 section 4.1 leaves to us what one wants who does not say. */
const USUAL: readonly Notify[] = ["FAILURE", "DELAY"];

/** Characters of a reply; a longer one would be kept for each recipient and attempt, and told in a line that no server takes. */
const LONGEST = 900;

/** A reply as it is kept. `host` is the peer that gave it. */
export function toAnswer({ code, enhanced, lines }: Reply, host?: string): Answer {
  const status = enhanced ?? `${Math.floor(code / 100)}.0.0`;
  const text = lines.join(" ");
  const short = text.length > LONGEST ? `${text.slice(0, LONGEST).toWellFormed()}…` : text;
  const answer = { code, status, text: short };
  return host === undefined ? answer : { ...answer, host };
}

export interface AttemptFacts {
  readonly created: number;
  readonly now: number;
  readonly settings: RetrySettings;
  readonly random: number;
  /** There is nobody to be told: the reverse-path is null, or may be somebody else's. */
  readonly silent: boolean;
}

/** Undefined, or the event that says why nobody hears of a message. */
export function whyNotTold({
  from,
  unproven,
}: StoredEnvelope): "dsn.suppressed" | "dsn.withheld" | undefined {
  // RFC 5321 section 6.1: never a notification about a message whose reverse-path is null.
  if (from === "") return "dsn.suppressed";
  return unproven ? "dsn.withheld" : undefined;
}

/** The recipient's state after an attempt. */
export function settle(recipient: DueRecipient, result: AttemptResult, facts: AttemptFacts): Settlement {
  const settled = nextState(recipient, result, facts);
  if (facts.silent && isStranded(recipient, settled)) return { ...settled, state: "held" };
  const owed = owedFor(recipient, { ...result, state: settled.state }, facts);
  return owed === undefined ? settled : { ...settled, owed };
}

/**
 * Whether a person of ours would lose a message that was taken for them, with nobody told: it waits for whoever runs the
 * system to release or drop it. A copy for elsewhere is not the only one, and a notification is ours.
 */
function isStranded({ destination, notify = USUAL }: DueRecipient, { state }: Settlement): boolean {
  const gone = state === "failed" || state === "expired";
  return gone && notify.includes("FAILURE") && parseDestination(destination)?.kind === "box";
}

/** What the sender asked to be told (RFC 3461 section 4.1) and nobody else will tell. */
function owedFor(
  recipient: DueRecipient,
  { state, dsn }: Pick<AttemptResult, "dsn"> & { readonly state: RecipientState },
  { created, now, settings, silent }: AttemptFacts,
): Owed | undefined {
  const { notify = USUAL, destination, delayTold } = recipient;
  // A failure of which nobody may be told is counted where it would be.
  if (state === "failed" || state === "expired") return notify.includes("FAILURE") ? "failed" : undefined;
  if (silent) return undefined;
  if (state === "delivered") {
    // RFC 3461 section 5.2.2: a peer with DSN tells the sender, or passes that on.
    if (dsn || !notify.includes("SUCCESS")) return undefined;
    const kind = parseDestination(destination)?.kind;
    return kind === "local" || kind === "box" ? "delivered" : "relayed";
  }
  const late = settings.delayMs > 0 && now >= created + settings.delayMs;
  return late && !delayTold && notify.includes("DELAY") ? "delayed" : undefined;
}

function nextState(recipient: DueRecipient, result: AttemptResult, facts: AttemptFacts): Settlement {
  const attempts = recipient.attempts + 1;
  const base = { seq: recipient.seq, attempts, answer: result.answer };
  if (result.kind === "delivered") return { ...base, state: "delivered" };
  if (result.kind === "permanent") return { ...base, state: "failed" };
  const end = facts.created + facts.settings.giveUpMs;
  if (facts.now >= end) return { ...base, state: "expired" };
  // The last attempt is made at the very end (RFC 5321 section 4.5.4.1 wants 4 to 5 days), not one delay before.
  // Another is made when the sender would be told of the delay: perhaps there is no need to.
  const late = facts.created + facts.settings.delayMs;
  const next = facts.now + retryDelay(attempts, facts.settings, facts.random);
  return { ...base, state: "pending", nextAttempt: Math.min(next, facts.now < late ? late : end, end) };
}
