/**
 * The line in front of each box: one delivery at a time (many at once into one Maildir run into its lock, and Dovecot
 * answers temporary failures), and none for a moment after the box did not answer.
 */
import type { Log } from "../net/log.ts";
import type { Clock } from "../queue/clock.ts";
import { reply } from "../smtp/replies.ts";
import { type BoxCourierDeps, deliverToBox } from "./lmtp.ts";
import { type Delivery, forAll, type Result } from "./types.ts";

export interface BoxLineDeps extends BoxCourierDeps {
  readonly clock: Pick<Clock, "now">;
  readonly log: Log;
  /** The box takes mail again after it did not answer. */
  readonly onBack: (host: string) => void;
}

export interface CarryOptions {
  readonly signal?: AbortSignal;
  /** Rather an answer at once than a place behind this many others. */
  readonly patience?: number;
}

/** Delivers to the box named `host`; one result per recipient. */
export type BoxLine = (host: string, delivery: Delivery, options?: CarryOptions) => Promise<Result[]>;

/** How long a box that did not answer is left alone: those behind shall not wait for its time-out, one by one. */
const REST_MS = 1_000;

const resting = reply(451, "4.4.1", "The mailbox does not answer");
const busy = reply(451, "4.3.2", "The mailbox is busy");

interface Line {
  tail: Promise<unknown>;
  waiting: number;
}

export function createBoxLine(deps: BoxLineDeps): BoxLine {
  const { clock } = deps;
  const lines = new Map<string, Line>();
  /** Boxes that did not answer when last asked, and until when they rest. */
  const down = new Map<string, number>();
  const rests = (host: string): boolean => clock.now() < (down.get(host) ?? 0);

  async function carry(host: string, delivery: Delivery, signal?: AbortSignal): Promise<Result[]> {
    if (rests(host)) return forAll(delivery.recipients, { kind: "temporary", reply: resting, host });
    const results = await deliverToBox(host, delivery, { ...deps, ...(signal && { signal }) });
    if (signal?.aborted === true) return results;
    if (results.some(unanswered)) down.set(host, clock.now() + REST_MS);
    else if (down.delete(host)) deps.onBack(host);
    return results;
  }

  return async (host, delivery, { signal, patience = Number.POSITIVE_INFINITY } = {}) => {
    const line = lines.get(host) ?? { tail: Promise.resolve(), waiting: 0 };
    if (line.waiting >= patience)
      return forAll(delivery.recipients, { kind: "temporary", reply: busy, host });
    lines.set(host, line);
    line.waiting += 1;
    const mine = line.tail.then(() => carry(host, delivery, signal));
    line.tail = mine.catch(() => {});
    try {
      return await mine;
    } finally {
      line.waiting -= 1;
      if (line.waiting === 0) lines.delete(host);
    }
  };
}

/** RFC 3463 X.4: the way to the box is the trouble, not the message. */
function unanswered({ kind, reply: of }: Result): boolean {
  return kind === "temporary" && (of.code === 421 || of.enhanced?.startsWith("4.4.") === true);
}
