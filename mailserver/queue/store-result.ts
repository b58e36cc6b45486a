/** Asks the queue for what must not be left undone, until it is done. */
import type { Log } from "../net/log.ts";
import type { Clock } from "./clock.ts";
import { QueueEnded, QueueError, QueueFull } from "./queue.ts";

/** Pause until it is tried again. */
const PAUSE_MS = 5_000;
/** Tries for a fault that passes by itself, or not at all; a disk has room again some day. */
const TRIES = 60;

/** Runs `work` until it is done, its fault is none that passes, or `signal` is aborted. */
export type Persist = <T>(work: () => Promise<T>) => Promise<T>;

/** A result that finds no room on the disk, or the file locked, is kept until it does; forgetting it would deliver twice. */
export function createPersist({
  clock,
  log,
  signal,
}: {
  clock: Clock;
  log: Log;
  signal: AbortSignal;
}): Persist {
  const pause = (): Promise<void> =>
    new Promise((resolve) => {
      const end = (): void => {
        cancel();
        signal.removeEventListener("abort", end);
        resolve();
      };
      const cancel = clock.after(PAUSE_MS, end);
      signal.addEventListener("abort", end, { once: true });
    });
  return async (work) => {
    for (let tries = 1; ; tries += 1) {
      try {
        return await work();
      } catch (error) {
        if (signal.aborted || !mayPass(error, tries)) throw error;
        log.error("queue.error", { error });
        await pause();
      }
    }
  };
}

function mayPass(error: unknown, tries: number): boolean {
  if (error instanceof QueueFull) return true;
  return error instanceof QueueError && !(error instanceof QueueEnded) && tries < TRIES;
}
