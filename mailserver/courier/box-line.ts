/**
 * The line in front of each box: one delivery at a time (many at once into one Maildir run into its lock, and Dovecot
 * answers temporary failures), and none for a moment after the box did not answer.
 */
import type { Log } from "../net/log.ts";
import type { Clock } from "../queue/clock.ts";
import { reply } from "../smtp/replies.ts";
import type { Reply } from "../smtp/types.ts";
import { BoxHealth, type Health } from "./box-health.ts";
import type { BoxReplies } from "./box-replies.ts";
import { type BoxCourierDeps, deliverToBox } from "./lmtp.ts";
import { type Delivery, forAll, type Result } from "./types.ts";

/** Whose turn a box is, when several processes deliver to it. */
export interface BoxTurns {
  /** Settles when it is this process's turn, with what ends it. One at a time for each box. */
  take(host: string, signal?: AbortSignal): Promise<() => void>;
}

export interface BoxLineDeps extends BoxCourierDeps {
  readonly clock: Pick<Clock, "elapsed" | "after">;
  readonly log: Log;
  /** The other processes that deliver to these boxes; absent: there are none. */
  readonly turns?: BoxTurns;
  /** Told of each delivery; absent: nobody asks the boxes what they answer. */
  readonly replies?: Pick<BoxReplies, "delivered"> | undefined;
  /** The box takes mail again after it did not answer. */
  readonly onBack: (host: string) => void;
}

export interface CarryOptions {
  readonly signal?: AbortSignal;
  /** Rather an answer at once than a place behind this many others. */
  readonly patience?: number;
  /** Rather an answer than a place in the line for longer than this, in milliseconds. */
  readonly patienceMs?: number;
  /** After its rest, ask a box that did not answer again: for those whom nobody waits for. */
  readonly tries?: boolean;
}

/** The lines of all boxes. */
export interface BoxLine {
  /** Delivers to the box named `host`; one result per recipient. */
  (host: string, delivery: Delivery, options?: CarryOptions): Promise<Result[]>;
  /** Until when a box that did not answer is left alone, by `clock.elapsed`; 0 for one that answers. */
  restsUntil(host: string): number;
  /** What a box has to do that will take the next message, too; undefined: perhaps it won't. */
  healthy(host: string): Health | undefined;
}

/** How long a box that did not answer is left alone. Then one delivery that may tries it; the others don't wait. */
const REST_MS = 1_000;

const resting = reply(451, "4.4.1", "The mailbox does not answer");
const busy = reply(451, "4.3.2", "The mailbox is busy");

interface Line {
  tail: Promise<unknown>;
  waiting: number;
}

/** A box that did not answer when last asked. */
interface Down {
  readonly until: number;
  readonly tried: boolean;
}

export function createBoxLine(deps: BoxLineDeps): BoxLine {
  const { clock } = deps;
  const lines = new Map<string, Line>();
  const down = new Map<string, Down>();
  const health = new BoxHealth(clock);

  /** Whether this delivery has to be turned away; the first after the rest that may is the one that tries. */
  function turnsAway(host: string, mayTry: boolean): boolean {
    const known = down.get(host);
    if (known === undefined) return false;
    if (!mayTry || known.tried || clock.elapsed() < known.until) return true;
    down.set(host, { ...known, tried: true });
    return false;
  }

  const rest = (host: string): void =>
    void down.set(host, { until: clock.elapsed() + REST_MS, tried: false });

  async function carry(host: string, delivery: Delivery, signal?: AbortSignal): Promise<Result[]> {
    const began = clock.elapsed();
    const results = await inTurn(host, delivery, signal);
    const aborted = signal?.aborted === true;
    if (!aborted && !results.some(unanswered)) {
      if (results.every(({ kind }) => kind === "delivered")) health.took(host, clock.elapsed() - began);
      else health.refused(host);
      if (down.delete(host)) deps.onBack(host);
    } else {
      health.silent(host);
      if (!aborted || down.has(host)) rest(host);
    }
    return results;
  }

  async function inTurn(host: string, delivery: Delivery, signal?: AbortSignal): Promise<Result[]> {
    const endTurn = await deps.turns?.take(host, signal);
    try {
      const results = await deliverToBox(host, delivery, { ...deps, ...(signal && { signal }) });
      deps.replies?.delivered(host, delivery, results);
      return results;
    } catch (error) {
      // A fault of our own tells nothing of the box, but whoever tried it must leave it to the next.
      if (down.has(host)) rest(host);
      throw error;
    } finally {
      endTurn?.();
    }
  }

  const line = async (
    host: string,
    delivery: Delivery,
    { signal, patience = Number.POSITIVE_INFINITY, patienceMs, tries = false }: CarryOptions = {},
  ): Promise<Result[]> => {
    const all = (why: Reply): Result[] =>
      forAll(delivery.recipients, { kind: "temporary", reply: why, host });
    const mine = lines.get(host) ?? { tail: Promise.resolve(), waiting: 0 };
    if (mine.waiting >= patience) return all(busy);
    // At the door and again when its turn comes: it must not wait for what those before it wait for.
    const triesNow = down.has(host);
    if (turnsAway(host, tries)) return all(resting);
    lines.set(host, mine);
    mine.waiting += 1;
    const wait = waitFor(patienceMs, all(busy), clock);
    const work = mine.tail.then(() => {
      if (wait.over()) return all(busy);
      return !triesNow && turnsAway(host, tries) ? all(resting) : carry(host, delivery, signal);
    });
    const ended = (): void => {
      mine.waiting -= 1;
      if (mine.waiting === 0) lines.delete(host);
    };
    mine.tail = work.then(ended, ended);
    return Promise.race([work, wait.left]);
  };
  const restsUntil = (host: string): number => {
    const known = down.get(host);
    return known === undefined ? 0 : known.tried ? clock.elapsed() + REST_MS : known.until;
  };
  const healthy = (host: string): Health | undefined => health.of(host, lines.get(host)?.waiting ?? 0);
  return Object.assign(line, { restsUntil, healthy });
}

/** A place in the line: `left` settles with `answer` when it was too long, unless `over` was asked before: its turn has come. */
function waitFor(milliseconds: number | undefined, answer: Result[], clock: Pick<Clock, "after">) {
  const { promise: left, resolve } = Promise.withResolvers<Result[]>();
  let gone = false;
  const leave = (): void => {
    gone = true;
    resolve(answer);
  };
  const cancel = milliseconds === undefined ? (): void => {} : clock.after(milliseconds, leave);
  const over = (): boolean => {
    cancel();
    return gone;
  };
  return { left, over };
}

/** RFC 3463 X.4: the way to the box is the trouble, not the message. */
function unanswered({ kind, reply: of }: Result): boolean {
  return kind === "temporary" && (of.code === 421 || of.enhanced?.startsWith("4.4.") === true);
}
