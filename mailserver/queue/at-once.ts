/** How many deliveries to one destination may be under way at the same time. Pure. */
import { parseDestination } from "./route.ts";

/** `first` to begin with, `most` however well it goes. */
export interface AtOnce {
  readonly first: number;
  readonly most: number;
}

/** How a delivery ended. */
export interface Ended {
  /** Somebody has the message now. */
  readonly delivered: boolean;
  /** What it took, in milliseconds. */
  readonly ms: number;
  /** Deliveries under way to the destination, this one included. */
  readonly active: number;
}

/** A destination that took longer the last time is slow; such as hang for minutes must not have every place. */
export const SLOW_MS = 10_000;
/** More at once into one Maildir run into its lock; and of a destination that nobody knows, no more shall hang. */
const FIRST = 2;
/** What a mail server expects of another one that keeps up. */
const MOST = 20;
/** The part of all places that one destination may have: a long line at one must leave room for the others. */
const SHARE = 1 / 5;

/** `places`: deliveries at the same time, in all. */
export function atOnceOf(destination: string, places: number): AtOnce {
  const kind = parseDestination(destination)?.kind;
  const growing = kind === "mx" || kind === "report" || kind === "relay";
  return {
    first: FIRST,
    most: growing ? Math.max(FIRST, Math.min(MOST, Math.floor(places * SHARE))) : FIRST,
  };
}

/** From `now`, how many may be under way after one that ended so. */
export function nextAtOnce(now: number, { delivered, ms, active }: Ended, { first, most }: AtOnce): number {
  if (ms > SLOW_MS) return first;
  if (!delivered) return Math.max(first, now - 1);
  // As long as there were places to spare, more would not have been used.
  return active >= now ? Math.min(now + 1, most) : now;
}
