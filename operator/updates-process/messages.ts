/** What the operator and the process that makes its updates say to each other. */
import { z } from "zod";
import type { FaultView } from "../../mailserver/operator/protocol.ts";
import type { Progress } from "../updates.ts";

const id = z.number();

const Person = z.strictObject({ uid: z.string().min(1), entries: z.array(z.string()) });

/**
 * The text is that of the stack file, the person whom the update is for, the name that of a resource. Checked, since
 * an operator that is older than the checkout may ask for something else.
 */
export const Call = z.discriminatedUnion("kind", [
  z.strictObject({ id, kind: z.literal("prepare") }),
  z.strictObject({ id, kind: z.literal("update"), text: z.string(), person: Person }),
  z.strictObject({ id, kind: z.literal("unprotect"), name: z.string().min(1) }),
]);
export type Call = z.infer<typeof Call>;

export type Answer =
  | { readonly id: number; readonly kind: "progress"; readonly progress: Progress }
  | { readonly id: number; readonly kind: "done" }
  /** `fault` is that of a Refusal. */
  | { readonly id: number; readonly kind: "failed"; readonly message: string; readonly fault?: FaultView };
