/** Searches in a thread of its own, so that one who watches can tell a hang from work. */
import { parentPort, workerData } from "node:worker_threads";
import { search, shrink } from "./fuzz.ts";

/** What the thread is given. */
export interface Task {
  readonly seed: number;
  readonly seconds: number;
  /** Cases at most; the same number plays the same cases on every machine. */
  readonly cases: number;
  /** The number of the case at hand, for one who watches. */
  readonly progress: SharedArrayBuffer;
}

const { seed, seconds, cases, progress } = workerData as Task;
const counter = new Int32Array(progress);
const end = performance.now() + seconds * 1_000;
for (const { count, pool, found } of search(seed)) {
  counter[0] = count;
  const over = count >= cases || performance.now() > end;
  if (found) parentPort?.postMessage({ count, pool, found: shrink(found, seed) });
  else if (over) parentPort?.postMessage({ count, pool, found });
  if (found || over) break;
}
