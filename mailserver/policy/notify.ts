/** What senders asked to be told of a recipient (RFC 3461), where one recipient becomes several or several one. Pure. */
import type { Notify } from "../smtp/types.ts";

/** Absent: the sender did not say. */
type Wish = readonly Notify[] | undefined;

/** For a place that was named twice: what either asked for. */
export function eitherWish(one: Wish, other: Wish): Wish {
  if (one === undefined || other === undefined) return undefined;
  return [...new Set([...one, ...other])];
}

/**
 * RFC 3461 section 5.2.7.2: for a copy that a person of ours has sent on elsewhere. What the sender asked to be told of
 * success is told of the mailbox that was named.
 */
export function forwardWish(wish: Wish): Wish {
  return wish?.filter((what) => what !== "SUCCESS");
}

/** Whether the sender wants to hear that the message was not delivered. */
export function wantsFailure(wish: Wish): boolean {
  return wish?.includes("FAILURE") ?? true;
}

/** Whether the sender asked to hear of success. */
export function wantsSuccess(wish: Wish): boolean {
  return wish?.includes("SUCCESS") ?? false;
}
