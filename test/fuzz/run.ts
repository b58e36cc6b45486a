/** Runs a search for some time and keeps what it finds. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import type { Found, Search } from "./fuzz.ts";
import type { Case } from "./types.ts";
import type { Task } from "./worker.ts";

/** One case takes milliseconds; making a found one small may take longer. */
const HANG_MS = 60_000;
const FOLDER = new URL("../fixtures/fuzz/", import.meta.url);

export interface Report {
  readonly count: number;
  readonly pool: number;
  readonly found: Found | undefined;
  /** A case did not end; its number is `count`. */
  readonly hung: boolean;
}

export interface RunOptions {
  readonly seed: number;
  readonly seconds: number;
  /** Cases at most; without it only the time counts. */
  readonly cases?: number;
}

/** Searches until the time or the cases are over, or something is found. */
export function run({ seed, seconds, cases = Number.POSITIVE_INFINITY }: RunOptions): Promise<Report> {
  const progress = new SharedArrayBuffer(4);
  const counter = new Int32Array(progress);
  const workerData: Task = { seed, seconds, cases, progress };
  const worker = new Worker(new URL("worker.ts", import.meta.url), {
    workerData,
    // A session that keeps what it should not is found by running out.
    resourceLimits: { maxOldGenerationSizeMb: 512 },
  });
  const { promise, resolve, reject } = Promise.withResolvers<Report>();
  let last = -1;
  const watch = setInterval(() => {
    const count = counter[0] ?? 0;
    if (count === last) resolve({ count, pool: 0, found: undefined, hung: true });
    last = count;
  }, HANG_MS);
  worker.once("message", (step: Search) => resolve({ ...step, hung: false }));
  worker.once("error", reject);
  return promise.finally(() => {
    clearInterval(watch);
    return worker.terminate();
  });
}

/** Keeps a found case, to be replayed by the tests; gives its path. */
export function keep({ case: given }: Found): string {
  const text = `${JSON.stringify(given, null, 2)}\n`;
  const file = new URL(`${createHash("sha256").update(text).digest("hex").slice(0, 12)}.json`, FOLDER);
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(file, text);
  return fileURLToPath(file);
}

/** Cases that were found once, by file name. */
export function kept(): ReadonlyMap<string, Case> {
  if (!existsSync(FOLDER)) return new Map();
  const files = readdirSync(FOLDER).filter((file) => file.endsWith(".json"));
  return new Map(
    files.map((file) => [file, JSON.parse(readFileSync(new URL(file, FOLDER), "utf8")) as Case]),
  );
}
