/** Searches in a thread of its own, so that one who watches can tell a hang from work. */
import { parentPort, workerData } from "node:worker_threads";
import { search, shrink } from "./fuzz.ts";

/** What the thread is given. */
export interface Task {
  readonly seed: number;
  readonly seconds: number;
  /** The number of the case at hand, for one who watches. */
  readonly progress: SharedArrayBuffer;
}

const { seed, seconds, progress } = workerData as Task;
const counter = new Int32Array(progress);
const end = performance.now() + seconds * 1_000;
for (const { count, pool, found } of search(seed)) {
  counter[0] = count;
  if (found) parentPort?.postMessage({ count, pool, found: shrink(found, seed) });
  else if (performance.now() > end) parentPort?.postMessage({ count, pool, found });
  if (found || performance.now() > end) break;
}
