/** What ends one attempt at the hosts of a domain: its own time, others that wait for its place, refusals, the daemon's end. */
import type { MessageSignals } from "../net/types.ts";
import type { Outcome } from "../smtp/types.ts";
import { UNKNOWN } from "./classify.ts";

export interface AttemptLimits {
  /** Milliseconds until the end of the message must be on its way. */
  readonly attemptMs: number;
  /** Milliseconds that a host is still given for its answer to the message when others wait. */
  readonly answerMs: number;
  /** The daemon ends. */
  readonly ending: AbortSignal;
  /** Others wait for the place. */
  readonly giveWay?: AbortSignal | undefined;
}

/** Nothing of them is left once they are disposed of, as there would be of `AbortSignal.timeout`. */
export function attemptSignals(limits: AttemptLimits): Disposable & Required<MessageSignals> {
  const { attemptMs, answerMs, ending, giveWay } = limits;
  const attempt = new AbortController();
  const answer = new AbortController();
  const timers = [setTimeout(() => attempt.abort(), attemptMs)];
  const end = (): void => {
    attempt.abort();
    answer.abort();
  };
  const yieldPlace = (): void => {
    attempt.abort();
    timers.push(setTimeout(() => answer.abort(), answerMs));
  };
  whenAborted(ending, end);
  whenAborted(giveWay, yieldPlace);
  return {
    signal: attempt.signal,
    answerSignal: answer.signal,
    [Symbol.dispose]: () => {
      for (const timer of timers) clearTimeout(timer);
      ending.removeEventListener("abort", end);
      giveWay?.removeEventListener("abort", yieldPlace);
    },
  };
}

function whenAborted(signal: AbortSignal | undefined, then: () => void): void {
  if (signal?.aborted === true) then();
  else signal?.addEventListener("abort", then, { once: true });
}

/**
 * Whether a host has refused a whole message, so that others may be like it, as those of one full box are. Not when it
 * hung up or fell silent: before the body that is its own trouble, and cost little, and after it no other host is asked.
 */
export function refused(outcomes: readonly Outcome[]): boolean {
  return (
    outcomes.every(({ kind }) => kind !== "delivered") && outcomes.some(({ reply }) => !UNKNOWN.has(reply))
  );
}
