/**
 * The worker thread that owns the queue's database. What arrives while a commit waits for the disk goes into the
 * next transaction together (group commit): one wait serves all.
 */
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import { LeftAlone } from "./aside.ts";
import { faultText, isFullForSqlite, isOfItem } from "./fault.ts";
import type { Answer, Argument, Failure, Operation, QueueWorkerData, Request, Response } from "./protocol.ts";
import { NoRoom } from "./room.ts";
import { Store } from "./store.ts";
import { NotDurable } from "./transactions.ts";

/** Whether this thread was started as the queue's worker. */
export function isQueueWorker(): boolean {
  return !isMainThread && typeof workerData === "object" && workerData !== null && "queueStore" in workerData;
}

/** Serves the store to the thread that started this one. */
export function runQueueWorker(): void {
  if (parentPort === null) throw new Error("not in a worker thread");
  const port = parentPort;
  const store = new Store((workerData as QueueWorkerData).queueStore);
  const waiting: Request[] = [];
  const answer = (batch: readonly Request[]): void => {
    if (batch.length > 0) port.postMessage(flush(store, batch) satisfies Response);
  };
  port.on("message", (requests: readonly Request[] | "close") => {
    if (requests === "close") {
      answer(waiting.splice(0));
      store.close();
      port.close();
      return;
    }
    const first = waiting.length === 0;
    waiting.push(...requests);
    if (first) setImmediate(() => answer(waiting.splice(0)));
  });
  port.postMessage("open" satisfies Response);
}

function flush(store: Store, batch: readonly Request[]): Answer[] {
  try {
    const added = batch.reduce((sum, request) => sum + addedBy(request), 0);
    const asked = Math.max(...batch.map(askedFor));
    if (added > 0 || asked > 0) store.prepare({ added, asked });
    const values = commit(store, batch);
    return batch.map(({ number }, index) => ({ number, value: values[index] }));
  } catch (error) {
    // Ends the thread, and with it the daemon.
    if (error instanceof NotDurable) throw error;
    const [only] = batch;
    if (batch.length === 1 && only !== undefined) {
      return [{ number: only.number, failure: toFailure(error, only.operation) }];
    }
    // One of them failed: each alone, so that a message too large for the disk doesn't take the others along.
    return batch.flatMap((request) => flush(store, [request]));
  }
}

/** All of the batch in one transaction; once more without what can't be read, or with a log that begins anew if it found no room. */
function commit(store: Store, batch: readonly Request[]): unknown[] {
  const work = (): unknown[] => batch.map((request) => perform(store, request));
  try {
    return store.transaction(work);
  } catch (error) {
    // At least one item more than before, so this comes to an end.
    if (error instanceof LeftAlone) return commit(store, batch);
    if (error instanceof NoRoom || !isFull(error)) throw error;
    store.checkpoint();
    return store.transaction(work);
  }
}

/** Bytes of the messages that a request adds. */
function addedBy({ operation, argument }: Request): number {
  switch (operation) {
    case "enqueue":
      return (argument as Argument<"enqueue">).body.length;
    case "enqueueAll":
      return (argument as Argument<"enqueueAll">).reduce((sum, { body }) => sum + body.length, 0);
    case "report":
      return (argument as Argument<"report">).dsn?.body.length ?? 0;
    default:
      return 0;
  }
}

/** Bytes for which a request wants to know whether there is room. */
function askedFor({ operation, argument }: Request): number {
  return operation === "hasRoom" ? (argument as Argument<"hasRoom">) : 0;
}

function perform(store: Store, request: Request): unknown {
  // The sender's types tie argument to operation (queue.ts); a message port can't carry that over.
  const method = store[request.operation] as (argument: unknown) => unknown;
  return method.call(store, request.argument);
}

const isFull = (error: unknown): boolean => error instanceof NoRoom || isFullForSqlite(error);

function toFailure(error: unknown, operation: Operation): Failure {
  const message = faultText(error);
  if (isFull(error)) return { kind: "full", message };
  const reads = operation === "begin" || operation === "body";
  return { kind: reads && isOfItem(error) ? "item" : "other", message };
}
