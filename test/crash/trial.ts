/** What the trials of both daemons share. */
import { setTimeout as sleep } from "node:timers/promises";
import type { LogLine } from "../support/daemon-process.ts";
import { metricSum } from "../support/metrics.ts";
import type { Sent, Verdict } from "./ledger.ts";

export interface CrashOptions {
  readonly kills: number;
  readonly seed: number;
  readonly say: (line: string) => void;
  /**
   * With each kill of a whole daemon the power is cut: what it had not synced is lost. `spares`: how probable it is that
   * a cut leaves some of that, in any order.
   */
  readonly power?: { readonly spares: number };
  /** The foreign server takes nothing before the last kill, so that all that was accepted is in the queue at each. */
  readonly busy?: boolean;
  /** Changes the daemon's bundle, to see a trial fail. */
  readonly change?: (bundle: string) => string;
}

export interface CrashReport extends Verdict {
  readonly kills: number;
  /** Still in the queue when the time for it was over. */
  readonly undrained: number;
  /** What must not be, in words. */
  readonly faults: readonly string[];
  /** Changes that the power cuts lost. */
  readonly changesLost: number;
  /** What the daemon logged of the messages that the verdict complains about. */
  readonly evidence: readonly LogLine[];
}

/** Counts what was answered 250, for who waits until there was work. */
export class Tally {
  #accepted = 0;
  #awaited = { count: Number.POSITIVE_INFINITY, reached: () => {} };

  note({ told }: Sent): void {
    if (told === "accepted") this.#accepted += 1;
    if (this.#accepted >= this.#awaited.count) this.#awaited.reached();
  }

  /** Settles when so many more messages were answered 250. */
  more(count: number): Promise<void> {
    const { promise, resolve: reached } = Promise.withResolvers<void>();
    this.#awaited = { count: this.#accepted + count, reached };
    return promise;
  }
}

/** How long the queue may get no shorter once everything is up. On a busy machine there are thousands in it by then. */
const STUCK_MS = 60_000;

/** Messages that are left in the queue when it is empty, or stuck. */
export async function drain(healthPort: number): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let since = Date.now(); least > 0 && Date.now() - since < STUCK_MS; await sleep(200)) {
    const page = await (await fetch(`http://127.0.0.1:${healthPort}/metrics`)).text();
    const left = metricSum(page, "semail_queue_items");
    if (left < least) {
      least = left;
      since = Date.now();
    }
  }
  return least;
}
