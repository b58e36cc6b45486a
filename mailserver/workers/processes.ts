/**
 * Workers as processes of `node:cluster`. Each listens for itself on the port that they share: a connection that the
 * primary accepted and handed over would hang for ever when its worker is killed before it says that it has it.
 */
import cluster, { type Worker } from "node:cluster";
import { oncePerTurn } from "../net/once-per-turn.ts";
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

/** What is said in one turn of the event loop goes in one piece: each costs both processes more than what it says. */
class Bundle<T> {
  readonly #send: (messages: readonly T[]) => void;
  readonly #flushLater = oncePerTurn(() => this.flush());
  #messages: T[] = [];

  constructor(send: (messages: readonly T[]) => void) {
    this.#send = send;
  }

  add(message: T): void {
    this.#messages.push(message);
    this.#flushLater();
  }

  /** Sends what is there now. */
  flush(): void {
    const messages = this.#messages;
    this.#messages = [];
    if (messages.length > 0) this.#send(messages);
  }
}

/** Starts this program once more as the worker of a slot. */
export function forkWorker(slot: number): WorkerProcess {
  cluster.setupPrimary({ execArgv: [...process.execArgv, NURSERY] });
  const worker = cluster.fork({ ...ONE_ARENA, [SLOT]: String(slot) });
  // Such as "channel closed", whose reason its exit tells.
  worker.on("error", () => {});
  const bundle = new Bundle<FromPrimary>((messages) => sendTo(worker, messages));
  return {
    pid: worker.process.pid,
    send: (message) => bundle.add(message),
    onMessage: (listener) => void worker.on("message", each<FromWorker>(listener)),
    onExit: (listener) => {
      worker.once("exit", (code, signal) => listener(signal || code));
      // The system has no process to give: then none ends, either.
      if (worker.process.pid === undefined) worker.once("error", (error) => listener(error.message));
    },
    kill: () => void worker.process.kill("SIGKILL"),
  };
}

function sendTo(worker: Worker, messages: readonly FromPrimary[]): void {
  if (worker.isConnected()) worker.send([...messages], undefined, undefined, () => {});
}

/** Both ends are the same program: what comes is what the other's bundle sent. */
const each =
  <T>(listener: (message: T) => void) =>
  (messages: unknown): void => {
    for (const message of messages as readonly T[]) listener(message);
  };

/** The worker's line to its primary. */
export interface PrimaryLine {
  send(message: FromWorker): void;
  onMessage(listener: (message: FromPrimary) => void): void;
}

/** `orphaned` is called when the primary is gone: nobody would ever stop this process then. */
export function primaryLine(orphaned: () => void): PrimaryLine {
  process.once("disconnect", orphaned);
  const bundle = new Bundle<FromWorker>((messages) => {
    if (process.connected) process.send?.(messages, undefined, undefined, () => {});
  });
  // The last words: why it could not start.
  process.once("exit", () => bundle.flush());
  return {
    send: (message) => bundle.add(message),
    onMessage: (listener) => void process.on("message", each<FromPrimary>(listener)),
  };
}
