import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { Stack } from "./stack.ts";

const Resource = z.object({
  urn: z.string(),
  type: z.string(),
  id: z.string().optional(),
  inputs: z.record(z.string(), z.unknown()).optional(),
  outputs: z.record(z.string(), z.unknown()).optional(),
});

/** What these commands read of a stack's state, as the file backend keeps it. */
export const Checkpoint = z.object({
  checkpoint: z.object({
    latest: z
      .object({
        resources: z.array(Resource).optional(),
        pending_operations: z.array(z.object({ type: z.string(), resource: Resource })).optional(),
      })
      .nullish(),
  }),
});

/** The stack's state; undefined before its first update, and for a backend that isn't the checkout's own. */
export function readCheckpoint(stack: Stack): unknown {
  if (!stack.backend) return undefined;
  const path = join(stack.backend, ".pulumi", "stacks", stack.project, `${stack.name}.json`);
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : undefined;
}
