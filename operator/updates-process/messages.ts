/** What the operator and the process that makes its updates say to each other. */
import type { FaultView } from "../../mailserver/operator/protocol.ts";
import type { Progress } from "../updates.ts";

/** The text is that of the stack file, the uid that of whom the update is for, the name that of a resource. */
export type Call =
  | { readonly id: number; readonly kind: "prepare" }
  | { readonly id: number; readonly kind: "update"; readonly text: string; readonly uid: string }
  | { readonly id: number; readonly kind: "unprotect"; readonly name: string };

export type Answer =
  | { readonly id: number; readonly kind: "progress"; readonly progress: Progress }
  | { readonly id: number; readonly kind: "done" }
  /** `fault` is that of a Refusal. */
  | { readonly id: number; readonly kind: "failed"; readonly message: string; readonly fault?: FaultView };
