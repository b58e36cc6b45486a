/** The pure part of DiskLimit. */
import { z } from "zod";
import { changedKeys } from "../validate.ts";

/** The inputs' shape. */
export const shape = {
  volume: z.string().min(1),
  guard: z.string().min(1),
  user: z.int().min(1000).max(0xffff_fffe),
  /** Zero: no limit. */
  bytes: z.int().min(0),
  files: z.int().min(1),
  required: z.boolean().default(false),
  /** Address of the engine; empty: the one that this machine's `docker` talks to. */
  engine: z.string().default(""),
};

/** Inputs after check. */
export const Inputs = z.object(shape);
export type Inputs = z.output<typeof Inputs>;

/** Another user's is another limit; all else is set in place. */
export function compare(olds: Record<string, unknown>, news: Record<string, unknown>) {
  const changes = changedKeys(Object.keys(shape), olds, news).length > 0;
  return { changes, replaces: changedKeys(["user"], olds, news) };
}
