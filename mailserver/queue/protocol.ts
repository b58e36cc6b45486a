/** What passes between the queue and its worker thread. */
import type { Store, StoreOptions } from "./store.ts";

/** The store's methods that may be called from outside; all that are called meanwhile share one transaction. */
export const OPERATIONS = [
  "hasRoom",
  "enqueue",
  "enqueueAll",
  "claimDue",
  "begin",
  "body",
  "settle",
  "release",
  "unreported",
  "report",
  "hasten",
  "nextDue",
  "counts",
  "show",
  "setAside",
  "census",
  "list",
  "asides",
  "manage",
  "flush",
] as const satisfies readonly (keyof Store)[];
export type Operation = (typeof OPERATIONS)[number];

export type Argument<O extends Operation> = Parameters<Store[O]>[0];
export type Result<O extends Operation> = ReturnType<Store[O]>;

export interface Request {
  readonly number: number;
  readonly operation: Operation;
  readonly argument: unknown;
}

/** `full`: there is no room on the disk. `item`: what was asked for can't be read, and won't be. `other` may pass. */
export interface Failure {
  readonly kind: "full" | "item" | "other";
  readonly message: string;
}

/** `number` is that of the request. */
export type Answer =
  | { readonly number: number; readonly value: unknown }
  | { readonly number: number; readonly failure: Failure };

/** Of several requests in one, as they come in several in one: a message to another thread costs more than what is in it. */
export type Response = "open" | readonly Answer[];

/** The worker's start data; its presence tells a bundle's one entry file that it is the worker. */
export interface QueueWorkerData {
  readonly queueStore: StoreOptions;
}
