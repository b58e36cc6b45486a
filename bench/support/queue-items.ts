/** The items of `npm run bench -- queue`. */
import type { NewItem } from "../../mailserver/queue/item.ts";

/** When all but the fresh ones are due. */
export const DUE_AT = 1_000_000_000;
/** One item in ten waits for this destination, and has waited longest. */
export const DEAD = "mx:dead.test";
const EACH = 100;
const body = Buffer.from(`Subject: hello\r\n\r\n${"x".repeat(480)}\r\n`);

/** A deferred item; `at` is its next attempt. */
export function itemOf({ id, number, at }: { id: string; number: number; at: number }): NewItem {
  const domain = number % 10 === 0 ? "dead.test" : `d${Math.floor(number / EACH)}.test`;
  return {
    id,
    created: number % 10 === 0 ? at - 1 : at,
    envelope: { from: "alice@semail.test", eightBit: false, smtputf8: false },
    recipients: [{ address: `bob@${domain}`, destination: `mx:${domain}` }],
    body,
  };
}
