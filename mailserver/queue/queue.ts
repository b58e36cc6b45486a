/** The durable queue as the daemon sees it: promises that settle when the disk has it. */
import { Worker } from "node:worker_threads";
import { oncePerTurn } from "../net/once-per-turn.ts";
import type { Answer, Argument, Operation, QueueWorkerData, Request, Response, Result } from "./protocol.ts";
import type { Store, StoreOptions } from "./store.ts";

/** There is no room for the message: 452 4.3.1, and the client tries again (RFC 3463 X.3.1). */
export class QueueFull extends Error {
  override readonly name = "QueueFull";
}

/** The queue could not do its work: 451 4.3.0. It may the next time, such as when somebody else had locked the file. */
export class QueueError extends Error {
  override readonly name: string = "QueueError";
}

/** Nothing will be done any more: the queue was closed, or its thread is gone. */
export class QueueEnded extends QueueError {
  override readonly name = "QueueEnded";
}

/** An item can't be read, however often one tries. */
export class ItemUnreadable extends Error {
  override readonly name = "ItemUnreadable";
}

const FAILURES = { full: QueueFull, item: ItemUnreadable, other: QueueError } as const;

/** Every operation of the store, answered after the commit that holds it. */
export type Queue = {
  readonly [O in Operation]: (...argument: Parameters<Store[O]>) => Promise<Result<O>>;
} & {
  /** Calls `listener` after each change that may have made something due. */
  onEnqueued(listener: () => void): void;
  /** Calls `listener` after each item that was put back: its sender may be owed something. */
  onRestored(listener: () => void): void;
  /** Rejects when the worker has died: nothing can be queued any more. Never resolves. */
  readonly failed: Promise<never>;
  close(): Promise<void>;
};

export interface QueueOptions extends StoreOptions {
  /** The worker's entry: `worker-entry.ts`, or a bundle that calls `runQueueWorker` when `isQueueWorker`. */
  readonly worker: URL;
}

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** What the thread makes lives for a transaction; a larger nursery would only be memory that nobody else gets. */
const YOUNG_MB = 4;

/** Opens the queue; what was in flight when it was last open is due again. */
export async function openQueue(options: QueueOptions): Promise<Queue> {
  const { worker: entry, ...queueStore } = options;
  const worker = new Worker(entry, {
    workerData: { queueStore } satisfies QueueWorkerData,
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
  });
  const waiting = new Map<number, Waiting>();
  const failure = Promise.withResolvers<never>();
  const opened = Promise.withResolvers<void>();
  failure.promise.catch(() => {});
  /** Asked in this turn of the event loop. */
  const unsent: Request[] = [];
  let next = 0;
  let closing = false;
  let dead: QueueEnded | undefined;

  function die(cause: unknown): void {
    const error = new QueueEnded("the queue's worker thread ended", { cause });
    dead ??= error;
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
    opened.reject(error);
    if (!closing) failure.reject(error);
  }
  worker.on("error", die);
  worker.on("exit", die);
  worker.on("message", (response: Response) => {
    if (response === "open") return opened.resolve();
    for (const answer of response) settle(answer);
  });

  function settle(answer: Answer): void {
    const waiter = waiting.get(answer.number);
    waiting.delete(answer.number);
    if ("value" in answer) waiter?.resolve(answer.value);
    else {
      const Kind = FAILURES[answer.failure.kind];
      waiter?.reject(new Kind(answer.failure.message));
    }
  }

  function send(): void {
    if (unsent.length > 0) worker.postMessage(unsent.splice(0) satisfies Request[]);
  }
  const sendLater = oncePerTurn(send);

  function call<O extends Operation>(operation: O, argument: Argument<O>): Promise<Result<O>> {
    return new Promise<unknown>((resolve, reject) => {
      if (closing) return reject(new QueueEnded("the queue is closed"));
      // Nobody would ever answer.
      if (dead) return reject(dead);
      const number = next++;
      waiting.set(number, { resolve, reject });
      unsent.push({ number, operation, argument });
      sendLater();
    }) as Promise<Result<O>>;
  }

  const close = async (): Promise<void> => {
    if (closing || dead) return;
    closing = true;
    send();
    const ended = new Promise((resolve) => worker.once("exit", resolve));
    worker.postMessage("close");
    await ended;
  };

  await opened.promise;
  return toQueue(call, { failed: failure.promise, close });
}

type Call = <O extends Operation>(operation: O, argument: Argument<O>) => Promise<Result<O>>;

function toQueue(call: Call, rest: Pick<Queue, "failed" | "close">): Queue {
  const listeners: (() => void)[] = [];
  const restored: (() => void)[] = [];
  const notify = () => {
    for (const listener of listeners) listener();
  };
  return {
    ...rest,
    hasRoom: (bytes) => call("hasRoom", bytes),
    onEnqueued: (listener) => {
      listeners.push(listener);
    },
    onRestored: (listener) => {
      restored.push(listener);
    },
    enqueue: async (item) => {
      await call("enqueue", item);
      if (!item.claimed) notify();
    },
    enqueueAll: async (items) => {
      await call("enqueueAll", items);
      if (items.some(({ claimed }) => !claimed)) notify();
    },
    report: async (change) => {
      const told = await call("report", change);
      notify();
      return told;
    },
    claimDue: (query) => call("claimDue", query),
    begin: (claim) => call("begin", claim),
    body: (id) => call("body", id),
    settle: (change) => call("settle", change),
    release: (claim) => call("release", claim),
    unreported: (query) => call("unreported", query),
    hasten: async (change) => {
      for (let more = true; more; notify()) more = await call("hasten", change);
      return false;
    },
    nextDue: (except) => call("nextDue", except),
    counts: () => call("counts", undefined),
    show: (id) => call("show", id),
    setAside: (item) => call("setAside", item),
    census: () => call("census", undefined),
    list: (query) => call("list", query),
    asides: (ids) => call("asides", ids),
    manage: async (change) => {
      const managed = await call("manage", change);
      notify();
      if (change.verb === "restore" && managed.found) for (const listener of restored) listener();
      return managed;
    },
    flush: async ({ at }) => {
      let from: string | undefined = "";
      let recipients = 0;
      while (from !== undefined) {
        const step: Result<"flush"> = await call("flush", { at, from });
        recipients += step.recipients;
        from = step.next;
        notify();
      }
      return { recipients, next: undefined };
    },
  };
}
