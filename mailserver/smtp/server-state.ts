/** The state of a server session, as types. */
import type { AuthStep } from "./auth.ts";
import type { DataReader } from "./data-reader.ts";
import type { OpenTransaction } from "./transaction.ts";
import type { Question, Reply } from "./types.ts";

/** What the next bytes are. */
export type Mode =
  | { readonly kind: "greeting" }
  | { readonly kind: "command" }
  | { readonly kind: "auth"; readonly next: (AuthStep & { kind: "challenge" })["next"] }
  | { readonly kind: "data"; readonly reader: DataReader; readonly transaction: OpenTransaction }
  | { readonly kind: "over" };

/** An open question and what follows when the policy agrees. */
export interface Pending {
  readonly question: Question;
  readonly accepted: () => Reply;
}

/** The same, to be written. */
export type Mutable<T> = { -readonly [K in keyof T]: T[K] };
