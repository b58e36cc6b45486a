/**
 * Workers as processes of `node:cluster`. Each listens for itself on the port that they share: a connection that the
 * primary accepted and handed over would hang for ever when its worker is killed before it says that it has it.
 */
import cluster, { type Worker } from "node:cluster";
import type { FromPrimary, FromWorker } from "./messages.ts";
import type { WorkerProcess } from "./supervisor.ts";

/** Which slot this process has, as a variable of its environment. */
const SLOT = "SEMAIL_WORKER";

/** The slot of this worker process; undefined in the primary. */
export function workerSlot(environment: Readonly<Record<string, string | undefined>>): number | undefined {
  return cluster.isWorker ? Number(environment[SLOT]) : undefined;
}

/** In MiB. Node's own choice would take 48 of them for what lives no longer than a session's command. */
const NURSERY = "--max-semi-space-size=4";

/**
 * glibc gives each thread that allocates an arena of its own, up to eight for each processor, and keeps in each what was
 * freed: 6 MB of a worker with 500 idle clients. Its threads wait for the disk, and not for one another's memory.
 */
const ONE_ARENA = { MALLOC_ARENA_MAX: "1" };

/** Starts this program once more as the worker of a slot. */
export function forkWorker(slot: number): WorkerProcess {
  cluster.setupPrimary({ execArgv: [...process.execArgv, NURSERY] });
  const worker = cluster.fork({ ...ONE_ARENA, [SLOT]: String(slot) });
  // Such as "channel closed", whose reason its exit tells.
  worker.on("error", () => {});
  return {
    pid: worker.process.pid,
    send: (message) => sendTo(worker, message),
    onMessage: (listener) => void worker.on("message", (message) => listener(message as FromWorker)),
    onExit: (listener) => {
      worker.once("exit", (code, signal) => listener(signal || code));
      // The system has no process to give: then none ends, either.
      if (worker.process.pid === undefined) worker.once("error", (error) => listener(error.message));
    },
    kill: () => void worker.process.kill("SIGKILL"),
  };
}

function sendTo(worker: Worker, message: FromPrimary): void {
  if (worker.isConnected()) worker.send(message, undefined, undefined, () => {});
}

/** The worker's line to its primary. */
export interface PrimaryLine {
  send(message: FromWorker): void;
  onMessage(listener: (message: FromPrimary) => void): void;
}

/** `orphaned` is called when the primary is gone: nobody would ever stop this process then. */
export function primaryLine(orphaned: () => void): PrimaryLine {
  process.once("disconnect", orphaned);
  return {
    send: (message) => {
      if (process.connected) process.send?.(message, undefined, undefined, () => {});
    },
    onMessage: (listener) => void process.on("message", (message) => listener(message as FromPrimary)),
  };
}
