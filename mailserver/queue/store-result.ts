/** Stores what must not be forgotten, when the disk has no room for it either. */
import type { Log } from "../net/log.ts";
import type { Clock } from "./clock.ts";
import { QueueFull } from "./queue.ts";

/** Pause until something that the disk had no room for is stored again. */
const FULL_PAUSE_MS = 5_000;

/** Runs `store` until it finds room or `signal` is aborted. */
export type Persist = <T>(store: () => Promise<T>) => Promise<T>;

/** A result that finds no room on the disk is kept until it does; forgetting it would deliver twice. */
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
      const cancel = clock.after(FULL_PAUSE_MS, resolve);
      const giveUp = () => {
        cancel();
        resolve();
      };
      signal.addEventListener("abort", giveUp, { once: true });
    });
  return async (store) => {
    for (;;) {
      try {
        return await store();
      } catch (error) {
        if (!(error instanceof QueueFull) || signal.aborted) throw error;
        log.error("queue.error", { error });
        await pause();
      }
    }
  };
}
