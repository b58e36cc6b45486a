/** What the queue keeps. Everything here is plain data: it crosses to the worker thread and into the database. */
import { z } from "zod";
import type { Notify, OriginalRecipient } from "../smtp/types.ts";

/** What became of a recipient in one attempt, in words for logs, DSNs and the history. */
const Answer = z.strictObject({
  /** SMTP reply code, of the peer or, when it gave none, our own. */
  code: z.int(),
  /** RFC 3463 status, e.g. `4.4.1`. */
  status: z.string(),
  text: z.string(),
  /** Host name of the peer that said so; absent when no peer was asked. */
  host: z.string().optional(),
});
export type Answer = z.infer<typeof Answer>;

/** The envelope that all recipients of a message share. */
export const StoredEnvelope = z.strictObject({
  /** Empty: the null reverse-path. */
  from: z.string(),
  eightBit: z.boolean(),
  /** The header needs a peer with SMTPUTF8 (RFC 6531); versions before said so of addresses, too. */
  smtputf8: z.boolean(),
  /** RFC 3461 section 4.3, as the sender gave it. */
  ret: z.enum(["FULL", "HDRS"]).optional(),
  /** RFC 3461 section 4.4, decoded. */
  envid: z.string().optional(),
  /** Nobody vouches for the reverse-path: it may be a stranger's, who is told nothing of a message that is not theirs. */
  unproven: z.literal(true).optional(),
});
export type StoredEnvelope = z.infer<typeof StoredEnvelope>;

/** `held` waits for a person to release it; `delivered`, `failed` and `expired` are final. */
export type RecipientState = "pending" | "held" | "delivered" | "failed" | "expired";

/** What the sender is still to be told of a recipient: the Action of RFC 3464 section 2.3.3. */
const Owed = z.enum(["failed", "delayed", "delivered", "relayed"]);
export type Owed = z.infer<typeof Owed>;

/** A message on its way into the queue. */
export interface NewItem {
  readonly id: string;
  readonly created: number;
  readonly envelope: StoredEnvelope;
  readonly recipients: readonly NewRecipient[];
  /** The message as it goes out. */
  readonly body: Uint8Array;
  /** The recipients are the caller's until settled or released: their delivery has begun. */
  readonly claimed?: boolean;
}

export interface NewRecipient {
  readonly address: string;
  /** What is delivered together and limited together, e.g. `mx:example.org` or `box:box-alice`. */
  readonly destination: string;
  /**
   * What the sender wrote, when `address` is where a person of ours forwards mail to: whatever the sender is told names
   * these, never `address` (RFC 3464 section 4.2). Several when several people forward to the same place.
   */
  readonly originals?: readonly string[];
  /** RFC 3461 section 4.1: when the sender wants to hear; empty for NEVER, absent when not said. */
  readonly notify?: readonly Notify[];
  /** RFC 3461 section 4.2, as the sender gave it. */
  readonly orcpt?: OriginalRecipient;
}

/** A recipient of an item that was claimed for an attempt. */
export interface DueRecipient extends NewRecipient {
  /** Position in the item, from 0. */
  readonly seq: number;
  /** Attempts made so far. */
  readonly attempts: number;
  /** The sender knows that it takes long. */
  readonly delayTold?: true;
}

/** An item of which some recipients are due; they are the caller's until settled or released. */
export interface DueItem {
  readonly id: string;
  readonly created: number;
  /** Bytes of the message. */
  readonly size: number;
  readonly envelope: StoredEnvelope;
  readonly recipients: readonly DueRecipient[];
}

/** The new state of a recipient after an attempt. */
export interface Settlement {
  readonly seq: number;
  readonly state: RecipientState;
  readonly attempts: number;
  /** Only for `pending`. */
  readonly nextAttempt?: number;
  readonly answer: Answer;
  /** Absent: the sender needs to hear nothing. */
  readonly owed?: Owed;
}

/** Nobody is tried any more, and nobody is told. */
export function isEnd({ state, owed }: Pick<Settlement, "state" | "owed">): boolean {
  return state !== "pending" && state !== "held" && owed === undefined;
}

/** A recipient of whom the sender has yet to be told. */
export interface OwedRecipient extends Pick<NewRecipient, "address" | "originals" | "orcpt"> {
  readonly seq: number;
  readonly state: RecipientState;
  readonly owed: Owed;
  readonly answer: Answer;
}

/** An item with something to report; what it reports is stored already, so a restart reports but never retries. */
export interface Unreported {
  readonly id: string;
  readonly created: number;
  readonly envelope: StoredEnvelope;
  readonly recipients: readonly OwedRecipient[];
}

/** The same as the queue gives it out. */
export interface Owing extends Unreported {
  /** Bytes of the message. */
  readonly size: number;
}

/** A recipient with everything that is known of it, for people who look into the queue. */
export interface ItemView {
  readonly id: string;
  readonly created: number;
  readonly size: number;
  readonly envelope: StoredEnvelope;
  readonly recipients: readonly (NewRecipient & {
    readonly state: RecipientState;
    readonly attempts: number;
    readonly nextAttempt: number;
    readonly lastAnswer?: Answer;
  })[];
  readonly history: readonly HistoryEntry[];
}

/** One attempt at one recipient. */
export interface HistoryEntry {
  readonly at: number;
  readonly seq: number;
  readonly state: string;
  readonly answer: Answer;
}

/** A row as SQLite gives it back; parse errors mean that it is set aside. */
export const ItemRow = z.object({
  id: z.string().min(1),
  created: z.number(),
  size: z.int(),
  envelope: z.string().transform(fromJson).pipe(StoredEnvelope),
});

export const HistoryRow = z.object({
  at: z.number(),
  seq: z.int(),
  state: z.string(),
  answer: z.string().transform(fromJson).pipe(Answer),
});

export const RecipientRow = z.object({
  seq: z.int(),
  address: z.string().min(1),
  destination: z.string().min(1),
  state: z.enum(["pending", "held", "delivered", "failed", "expired"]),
  attempts: z.int(),
  next_attempt: z.number(),
  answer: z.nullable(z.string().transform(fromJson).pipe(Answer)),
  originals: optionalJson(z.array(z.string().min(1)).min(1)),
  notify: optionalJson(z.array(z.enum(["SUCCESS", "FAILURE", "DELAY"]))),
  orcpt: optionalJson(z.strictObject({ type: z.string(), address: z.string() })),
  owed: z.nullable(Owed),
  delay_told: z.int(),
});
export type RecipientRow = z.infer<typeof RecipientRow>;

function optionalJson<T extends z.ZodType>(inside: T) {
  return z.nullable(z.string().transform(fromJson).pipe(inside)).transform((value) => value ?? undefined);
}

export function fromJson(text: string, context: z.RefinementCtx): unknown {
  try {
    return JSON.parse(text);
  } catch {
    context.addIssue({ code: "custom", message: "not JSON" });
    return z.NEVER;
  }
}
