/** How many changes a person may ask for: each has the stack locked for seconds, and may be two commits. No I/O. */
import type { RequestView } from "../mailserver/operator/protocol.ts";
import { Refusal } from "./refusal.ts";

const HOUR_MS = 3_600_000;
/** More than who sets a new mailbox up needs, and two minutes of an hour in which the stack is locked. */
const PER_HOUR = 20;

export class Pace {
  /** When their requests of the last hour were taken. */
  readonly #taken = new Map<string, readonly number[]>();

  /** Refuses one more to who had enough within an hour. */
  require(uid: string, now: number): void {
    if (this.#recent(uid, now).length >= PER_HOUR)
      throw new Refusal("request-limit", `${PER_HOUR} requests of theirs were taken within an hour.`);
  }

  /** One was taken, whatever comes of it. */
  count({ uid }: Pick<RequestView, "uid">, takenAt: number): void {
    this.#taken.set(uid, [...this.#recent(uid, takenAt), takenAt]);
  }

  #recent(uid: string, now: number): number[] {
    // None of those that a clock set back has made later than now: they would count for as long as it was set back by.
    return (this.#taken.get(uid) ?? []).filter((time) => time <= now && now - time < HOUR_MS);
  }
}
