/** The state of a server session, as types. */
import type { AuthStep } from "./auth.ts";
import type { DataProgress } from "./data-reader.ts";
import type { Question, Reply } from "./types.ts";

/** What the next bytes are. */
export type Mode =
  | { readonly kind: "greeting" }
  | { readonly kind: "command" }
  | { readonly kind: "auth"; readonly next: (AuthStep & { kind: "challenge" })["next"] }
  /** Octets of a message (DATA, BDAT), or such as are read away. */
  | { readonly kind: "octets"; readonly reader: OctetSource; readonly ended: () => void }
  | { readonly kind: "over" };

/** Reads octets from a place in a chunk. */
export interface OctetSource {
  read(chunk: Uint8Array, offset: number): DataProgress;
}

/** An open question and what follows when the policy agrees. */
export interface Pending {
  readonly question: Question;
  /** What to say, unless the policy had its own words. Undefined: nothing yet. */
  readonly accepted: () => Reply | undefined;
  /** Instead of saying the refusal at once. */
  readonly refused?: (reply: Reply) => void;
}

/** The same, to be written. */
export type Mutable<T> = { -readonly [K in keyof T]: T[K] };
