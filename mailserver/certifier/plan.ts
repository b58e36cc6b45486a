/** What is to be done about the certificate that is served. Pure. */
import type { PairFacts } from "./pair.ts";

/** Why a certificate is ordered. */
export type Reason = "first" | "ended" | "key" | "names" | "authority" | "renewal";

export interface Situation {
  /** Milliseconds since 1970, as all times here. */
  readonly now: number;
  /** Names that the certificate must carry. */
  readonly wanted: readonly string[];
  /** What is served; undefined: nothing that could be. */
  readonly served: PairFacts | undefined;
  /** Another authority issued it than the one that is asked now. */
  readonly foreign: boolean;
  /** Of the stack's own authority. */
  readonly own: PairFacts;
  /** What is served is that one, byte for byte. */
  readonly servesOwn: boolean;
  /** When the authority would have it renewed; undefined: it doesn't say. */
  readonly renewAt: number | undefined;
  /** Nothing is ordered before: after a failure. */
  readonly retryAt: number;
  /** No first certificate is ordered before: what others remember of the TLSA record must be forgotten. */
  readonly holdUntil: number;
}

export interface Decision {
  /** Serve the pair of the stack's own authority. */
  readonly serveOwn: boolean;
  readonly order: Reason | undefined;
  /** Nothing else is to be done before, unless the files change. */
  readonly wakeAt: number;
}

/** A certificate of the authority stays until a better one is there; the stack's own fills the gaps. */
export function decide(situation: Situation): Decision {
  const { now, served, own, servesOwn, retryAt, holdUntil } = situation;
  const good = served !== undefined && !served.own && served.rightKey && now < served.notAfter;
  const serveOwn = !good && !servesOwn && (served === undefined || !served.rightKey || now < own.notAfter);
  const due = good ? dueAt(served, situation) : holdUntil;
  const at = Math.max(due, retryAt);
  if (now < at) return { serveOwn, order: undefined, wakeAt: at };
  return { serveOwn, order: reasonOf(situation, good), wakeAt: now };
}

function dueAt(served: PairFacts, { wanted, renewAt, foreign }: Situation): number {
  // Whoever names another authority doesn't want this one's any more: a staging one's, that nobody trusts.
  if (foreign || lacks(served, wanted)) return 0;
  return Math.max(Math.min(renewAt ?? renewalTime(served), lastCall(served)), firstCall(served));
}

const lacks = ({ names }: PairFacts, wanted: readonly string[]): boolean =>
  wanted.some((name) => !names.includes(name));

function reasonOf({ served, wanted, foreign }: Situation, good: boolean): Reason {
  if (served === undefined || served.own) return "first";
  if (!served.rightKey) return "key";
  if (!good) return "ended";
  if (lacks(served, wanted)) return "names";
  return foreign ? "authority" : "renewal";
}

/** Two thirds of its life, which leaves a third for what may go wrong. */
export function renewalTime({ notBefore, notAfter }: Pick<PairFacts, "notBefore" | "notAfter">): number {
  return notBefore + ((notAfter - notBefore) * 2) / 3;
}

const DAY_MS = 86_400_000;

/** However early the authority would have it: one that always says so would be asked for one after the other. */
function firstCall({ notBefore, notAfter }: PairFacts): number {
  return notBefore + Math.min((notAfter - notBefore) / 10, DAY_MS);
}

/** However late the authority would have it, a tenth is left. */
function lastCall({ notBefore, notAfter }: PairFacts): number {
  return notBefore + ((notAfter - notBefore) * 9) / 10;
}

/** What speaks against serving `next`; undefined: it is as good as what is served, or better. */
export function worse(next: PairFacts | undefined, situation: Situation): string | undefined {
  const { now, wanted, served, foreign } = situation;
  if (next === undefined) return "it is no certificate with our key";
  if (!next.rightKey) return "it is not for our key";
  const missing = wanted.filter((name) => !next.names.includes(name));
  if (missing.length > 0) return `it lacks ${missing.join(", ")}`;
  if (next.notBefore > now + CLOCKS_DIFFER_MS) return "its time has not come: is the host's clock right?";
  if (next.notAfter <= now) return "its time is over: is the host's clock right?";
  // One that is new is served however soon it ends: authorities issue for ever shorter times, and what they ask to have
  // renewed (RFC 9773 section 4.2) they may be about to revoke.
  if (served === undefined || served.own || !served.rightKey) return undefined;
  if (foreign || lacks(served, wanted)) return undefined;
  const old = now >= renewalTime(next) && next.notAfter < served.notAfter;
  return old ? "it is an old one, which ends before the one that is served" : undefined;
}

const CLOCKS_DIFFER_MS = 60_000;

/** Milliseconds until the next attempt after the `failures`-th failure in a row; `random` from 0 to 1. */
export function pause(
  { failures, retryAfterMs = 0 }: { failures: number; retryAfterMs?: number | undefined },
  { firstMs, maxMs }: { firstMs: number; maxMs: number },
  random: number,
): number {
  const usual = Math.min(firstMs * 2 ** Math.min(failures - 1, 30), maxMs);
  // Jitter on what was asked for, too: all who were sent away would come back at once.
  return Math.max(usual * (0.75 + random / 2), retryAfterMs * (1 + random / 10));
}

/** Times that are kept over restarts. */
export interface Kept {
  readonly since: number;
  readonly failedAt: number;
  readonly retryAt: number;
}

/**
 * The same by a clock that was put back: what it says happened later than now, happened now. The pause after a failure is as
 * long as it was; else nothing would be ordered for as long as the clock was ahead. Undefined: nothing is to be changed.
 */
export function putBack({ since, failedAt, retryAt }: Kept, now: number): Kept | undefined {
  if (since <= now && failedAt <= now) return undefined;
  const ahead = Math.max(failedAt - now, 0);
  return { since: Math.min(since, now), failedAt: failedAt - ahead, retryAt: retryAt - ahead };
}
