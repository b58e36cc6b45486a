/**
 * One process of `npm run bench -- queue`: opens a queue as a daemon does, says how long that took and how much memory
 * it has at most, then what each step of the work costs in it.
 */
import { readFileSync } from "node:fs";
import type { ClaimQuery } from "../../mailserver/queue/claims.ts";
import { openQueue } from "../../mailserver/queue/queue.ts";
import { Store } from "../../mailserver/queue/store.ts";
import { QUEUE_WORKER } from "../../test/support/queue.ts";
import { DEAD, DUE_AT, itemOf } from "./queue-items.ts";

const ROUNDS = 500;
/** Recipients of each claim. */
const LIMIT = 10;

/** What it prints, as JSON. Times of steps are medians in microseconds. */
export interface Probed {
  readonly startMs: number;
  readonly startMiB: number;
  readonly claimFresh: number;
  readonly claimDue: number;
  readonly claimPastDead: number;
  readonly nextDue: number;
  readonly counts: number;
  readonly enqueue: number;
}

const [dir = ""] = process.argv.slice(2);
const began = performance.now();
const queue = await openQueue({ dir, worker: QUEUE_WORKER });
await queue.counts();
await queue.unreported({ id: null, at: 0 });
await queue.claimDue({ now: DUE_AT - 1, limit: LIMIT, except: [] });
await queue.nextDue([]);
const startMs = performance.now() - began;
const startMiB = Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1]) / 1_024;
await queue.close();

const store = new Store({ dir });

/** Median of what `work` takes; `after` undoes it, unmeasured. Each round is a transaction of its own. */
function cost(work: (round: number) => void, after: (round: number) => void = () => {}): number {
  const times = Array.from({ length: ROUNDS }, (_, round) =>
    store.transaction(() => {
      const start = performance.now();
      work(round);
      const time = performance.now() - start;
      after(round);
      return time;
    }),
  );
  return 1_000 * (times.sort((a, b) => a - b)[ROUNDS >> 1] ?? 0);
}

/** Claims, and gives back. */
function claim(query: Omit<ClaimQuery, "limit">): void {
  const { items } = store.claimDue({ ...query, limit: LIMIT });
  if (items.length === 0) throw new Error("nothing was due");
  for (const { id, recipients } of items) store.release({ id, seqs: recipients.map(({ seq }) => seq) });
}

const fresh = (round: number): string => `fresh-${round}`;
const probed: Probed = {
  startMs,
  startMiB,
  enqueue: cost((round) => store.enqueue(itemOf({ id: fresh(round), number: round, at: DUE_AT - 1_000 }))),
  claimFresh: cost(() => claim({ now: DUE_AT - 1_000, except: [] })),
  claimDue: cost(() => claim({ now: DUE_AT + 1, except: [] })),
  claimPastDead: cost(() => claim({ now: DUE_AT + 1, except: [DEAD] })),
  nextDue: cost(() => void store.nextDue([DEAD])),
  counts: cost(() => void store.counts()),
};
store.close();
process.stdout.write(JSON.stringify(probed));
