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

/** What is in force: the limit, or why there is none. */
export type InForce =
  | { readonly limited: true; readonly kib: number; readonly files: number }
  | { readonly limited: false; readonly why: string };

/** What the image's `limit-disk` says; undefined where it isn't that. */
export function parseAnswer(text: string): InForce | undefined {
  const [, kib, files] = /^limited (\d{1,15}) (\d{1,15})$/m.exec(text) ?? [];
  if (kib !== undefined) return { limited: true, kib: Number(kib), files: Number(files) };
  const [, why] = /^unlimited: ([ -~]+)$/m.exec(text) ?? [];
  return why === undefined ? undefined : { limited: false, why };
}

/** Another user's is another limit; all else is set in place. */
export function compare(olds: Record<string, unknown>, news: Record<string, unknown>) {
  const changes = changedKeys(Object.keys(shape), olds, news).length > 0;
  return { changes, replaces: changedKeys(["user"], olds, news) };
}
