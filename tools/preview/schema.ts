/** What the comment looks at in the output of `pulumi preview --json`: nothing else of it goes any further. */
import { z } from "zod";

const Names = z.array(z.string());

/** Of a resource's inputs, those that are public and may be told. What isn't of this form is unknown or secret. */
const Inputs = z.object({
  zone: z.string().optional().catch(undefined),
  name: z.string().optional().catch(undefined),
  type: z.string().optional().catch(undefined),
  ttl: z.number().optional().catch(undefined),
  values: Names.optional().catch(undefined),
  attributes: z
    .object({
      cn: Names.optional().catch(undefined),
      mailLocalAddress: Names.optional().catch(undefined),
      mailRoutingAddress: Names.optional().catch(undefined),
    })
    .optional()
    .catch(undefined),
});

const State = z.object({
  type: z.string(),
  protect: z.boolean().default(false),
  retainOnDelete: z.boolean().default(false),
  inputs: Inputs.default({}),
});

const Step = z.object({
  op: z.string(),
  urn: z.string(),
  oldState: State.optional(),
  newState: State.optional(),
  diffReasons: Names.nullish().transform((names) => names ?? []),
  replaceReasons: Names.nullish().transform((names) => names ?? []),
});

const Diagnostic = z.object({
  urn: z.string().optional(),
  message: z.string(),
  severity: z.string(),
});

export const PreviewJson = z.object({
  steps: z.array(Step).default([]),
  diagnostics: z.array(Diagnostic).default([]),
});
export type PreviewJson = z.infer<typeof PreviewJson>;
export type Step = PreviewJson["steps"][number];
export type Diagnostic = PreviewJson["diagnostics"][number];
