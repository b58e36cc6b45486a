/** The pure part of LibvirtImage. */
import { z } from "zod";
import { absolutePath } from "../libvirt/fields.ts";
import { changedKeys } from "../validate.ts";

/** The inputs' shape. `recipe` is filled in by check. */
export const shape = {
  folder: absolutePath,
  edition: z.string().max(64).default(""),
  recipe: z.string().regex(/^[0-9a-f]{16}$/),
};

/** Inputs after check. */
export const Inputs = z.object(shape);
export type Inputs = z.output<typeof Inputs>;

/** Another recipe, edition or place is another image. */
export function compare(olds: Record<string, unknown>, news: Record<string, unknown>) {
  const replaces = changedKeys(Object.keys(shape), olds, news);
  return { changes: replaces.length > 0, replaces };
}
