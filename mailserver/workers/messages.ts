/** What a daemon's primary process and its workers tell each other. Both are the same program, started together. */
import type { Snapshot } from "../metrics/exposition.ts";
import type { Entry } from "../policy/client-counts.ts";

/** A question about a client; the answer carries the same number. */
export type Question =
  | { readonly kind: "enter"; readonly number: number; readonly client: string }
  | { readonly kind: "recipient"; readonly number: number; readonly client: string };

/**
 * Whoever waits for a turn for so many milliseconds goes ahead without one, and whoever has had it for so long while
 * others wait loses it. A delivery takes a few: its process hangs, or the box does, and it is no use to wait for them.
 */
export const TURN_PATIENCE_MS = 1_000;

/**
 * Deliveries into one box at a time. Two take in more than one does, though Dovecot may let the second sleep for a moment at
 * the Maildir's lock; more come into each other's way, and in the end Dovecot refuses some of them for now.
 */
export const TURNS = 2;

export type FromWorker =
  | Question
  | { readonly kind: "ready"; readonly port: number }
  /** It could not start; the worker ends after this. */
  | { readonly kind: "failed"; readonly reason: string }
  | { readonly kind: "alive" }
  | { readonly kind: "metrics"; readonly number: number; readonly metrics: Snapshot }
  | { readonly kind: "leave"; readonly client: string }
  | { readonly kind: "error"; readonly client: string }
  /** It wants the turn at a box. Not again before it was given that and it is over. */
  | { readonly kind: "turn"; readonly host: string }
  | { readonly kind: "turnOver"; readonly host: string }
  /** A box takes mail again: the other workers may have mail for it. */
  | { readonly kind: "boxBack"; readonly host: string };

export type FromPrimary =
  | { readonly kind: "answer"; readonly number: number; readonly value: Entry | boolean }
  /** The turn at a box, which it asked for. */
  | { readonly kind: "turn"; readonly host: string }
  /** Answered by `alive`. */
  | { readonly kind: "ping" }
  /** Answered by `metrics` with the same number. */
  | { readonly kind: "measure"; readonly number: number }
  | { readonly kind: "boxBack"; readonly host: string }
  | { readonly kind: "stop" };
