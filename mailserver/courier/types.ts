/** What a courier carries, and what it brings back. */
import type { Address, Envelope, Outcome, RcptParameters, ReversePath } from "../smtp/types.ts";

/** One message for recipients that go the same way. */
export interface Delivery {
  readonly from: ReversePath;
  /** At least one. */
  readonly recipients: readonly Address[];
  /** RET and ENVID, for a peer with DSN. */
  readonly dsn?: NonNullable<Envelope["dsn"]>;
  /** For each of `recipients`, in their order, what a peer with DSN (RFC 3461) is told of it. */
  readonly recipientDsn?: readonly (RcptParameters | undefined)[];
  /** The mailboxes here from which the copy is sent on, the same for all recipients. */
  readonly sentOnFor?: readonly string[];
  readonly body: Uint8Array;
  /** The body has bytes ≥ 0x80 (RFC 6152). */
  readonly eightBit: boolean;
  /** The header needs a peer with SMTPUTF8 (RFC 6531). What an address needs is seen by itself. */
  readonly smtputf8: boolean;
}

/** What became of one recipient. `host` is the peer that said so; absent when none was asked. */
export type Result = Outcome & { readonly host?: string };

/** The same result for each of `recipients`. */
export function forAll(recipients: readonly Address[], result: Result): Result[] {
  return recipients.map(() => result);
}
