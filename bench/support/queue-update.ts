/** One process of `npm run bench -- queue`: opens a queue of an earlier version as a daemon does. */
import { readFileSync } from "node:fs";
import { openQueue } from "../../mailserver/queue/queue.ts";
import { QUEUE_WORKER } from "../../test/support/queue.ts";

/** What it prints, as JSON. */
export interface Updated {
  readonly startMs: number;
  readonly startMiB: number;
}

const [dir = ""] = process.argv.slice(2);
const began = performance.now();
const queue = await openQueue({ dir, worker: QUEUE_WORKER });
await queue.counts();
const startMs = performance.now() - began;
const startMiB = Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1]) / 1_024;
await queue.close();
process.stdout.write(JSON.stringify({ startMs, startMiB } satisfies Updated));
