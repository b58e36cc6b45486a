/** The pure part of DiscardedVolume. */
import { z } from "zod";
import { changedKeys } from "../validate.ts";

/** The inputs' shape. */
export const shape = {
  volume: z.string().min(1),
  /** Tells one volume of that name from a later one. */
  since: z.iso.date("must be a day"),
  /** Address of the engine; empty: the one that this machine's `docker` talks to. */
  engine: z.string().default(""),
};

/** Inputs after check. */
export const Inputs = z.object(shape);

/** Another volume is another one to be removed; where the engine is reached is none. */
export function compare(olds: Record<string, unknown>, news: Record<string, unknown>) {
  const replaces = changedKeys(["volume", "since"], olds, news);
  return { changes: replaces.length > 0 || changedKeys(["engine"], olds, news).length > 0, replaces };
}
