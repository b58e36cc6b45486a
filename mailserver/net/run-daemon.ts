/** The life of a daemon's process: it starts, is ready, is told to end, and has stopped. */
import type { Log, LogFields } from "./log.ts";
import { signalled } from "./signalled.ts";

/** A daemon that serves. */
export interface Daemon {
  /** What `daemon.ready` tells of it. Undefined: it was told to end before it was ready. */
  readonly ready: LogFields | undefined;
  /** Rejects when it can't go on. */
  readonly failed?: Promise<never>;
  /** Ends it in order; what it does may have been cut short by the signal already. */
  close(): Promise<void>;
}

/** The word to end, which may come while the daemon starts. */
export interface Ending {
  /** Settles with the signal. */
  readonly asked: Promise<NodeJS.Signals>;
  /** Aborted once the daemon is up and was told to end: when `close` is called. */
  readonly signal: AbortSignal;
}

/**
 * Runs a daemon until SIGTERM or SIGINT, and ends the process: with 0 when it was told to, with 1 when it could not start
 * or go on.
 */
export async function runDaemon(
  log: Log,
  start: (ending: Ending) => Promise<Daemon>,
  exit: (code: number) => void,
): Promise<void> {
  const asked = signalled();
  const controller = new AbortController();
  try {
    const { ready, failed, close } = await start({ asked, signal: controller.signal });
    if (ready !== undefined) log.info("daemon.ready", ready);
    const signal = await (failed === undefined ? asked : Promise.race([failed, asked]));
    log.info("daemon.stopping", { signal });
    controller.abort(new Error(`stopped by ${signal}`));
    await close();
    log.info("daemon.stopped");
    exit(0);
  } catch (error) {
    log.error("daemon.failed", { error });
    exit(1);
  }
}
