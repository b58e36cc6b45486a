/**
 * Turns at the boxes, asked of the primary process, so that no more than a few deliveries meet at a Maildir's lock. A courtesy
 * only: whoever gets no turn in time goes ahead.
 */
import type { BoxTurns } from "../courier/box-line.ts";
import type { Timing } from "../net/timing.ts";
import { type FromWorker, TURN_PATIENCE_MS } from "./messages.ts";

export interface RemoteTurnsOptions {
  /** The line to the primary, which keeps the order. */
  readonly send: (message: FromWorker) => void;
  readonly timing: Timing;
  /** Does the work when all that follows from the present event is done; absent: `setImmediate`. */
  readonly later?: (work: () => void) => void;
}

/** A turn that the primary gave. */
interface Turn {
  readonly since: number;
  deliveries: number;
  busy: boolean;
}

/** A box that this worker has the turn at, or has asked for it, once. */
interface Place {
  readonly host: string;
  turn: Turn | undefined;
  /** Those who wait here, first come first served; each is given what ends its delivery. */
  readonly waiting: ((end: () => void) => void)[];
}

/** A turn is good for so many deliveries that follow each other at once: that spares messages to the primary. */
const DELIVERIES = 8;
/** And none begins when the turn is as old as this: others may wait. */
const ROW_MS = 100;

const nothingToEnd = (): void => {};

export class RemoteTurns implements BoxTurns {
  readonly #send: RemoteTurnsOptions["send"];
  readonly #timing: Timing;
  readonly #later: (work: () => void) => void;
  readonly #places = new Map<string, Place>();

  constructor({ send, timing, later = (work) => void setImmediate(work) }: RemoteTurnsOptions) {
    this.#send = send;
    this.#timing = timing;
    this.#later = later;
  }

  /** Settles at once, without a turn, when `signal` is aborted; after a second in any case. */
  async take(host: string, signal?: AbortSignal): Promise<() => void> {
    if (signal?.aborted === true) return nothingToEnd;
    const place = this.#places.get(host) ?? this.#enter(host);
    const { turn } = place;
    return turn?.busy === false ? this.#begin(place, turn) : this.#wait(place, signal);
  }

  /** Takes the primary's answer: the turn at the box named `host`. */
  given(host: string): void {
    const place = this.#places.get(host);
    if (place === undefined) return;
    const turn = { since: this.#timing.now(), deliveries: 0, busy: false };
    place.turn = turn;
    // Nobody is left when they went ahead without it.
    if (!this.#serveNext(place, turn)) this.#giveOver(place);
  }

  #enter(host: string): Place {
    const place: Place = { host, turn: undefined, waiting: [] };
    this.#places.set(host, place);
    this.#send({ kind: "turn", host });
    return place;
  }

  #wait({ waiting }: Place, signal: AbortSignal | undefined): Promise<() => void> {
    return new Promise((resolve) => {
      const settle = (end: () => void): void => {
        cancel();
        signal?.removeEventListener("abort", giveUp);
        resolve(end);
      };
      const giveUp = (): void => {
        waiting.splice(waiting.indexOf(settle), 1);
        settle(nothingToEnd);
      };
      const cancel = this.#timing.after(TURN_PATIENCE_MS, giveUp);
      signal?.addEventListener("abort", giveUp, { once: true });
      waiting.push(settle);
    });
  }

  /** Gives what ends the delivery that begins now. */
  #begin(place: Place, turn: Turn): () => void {
    turn.busy = true;
    turn.deliveries += 1;
    const mine = turn.deliveries;
    return () => {
      if (turn.busy && turn.deliveries === mine) this.#ended(place, turn);
    };
  }

  #ended(place: Place, turn: Turn): void {
    turn.busy = false;
    const goesOn = turn.deliveries < DELIVERIES && this.#timing.now() - turn.since < ROW_MS;
    // The worker doesn't know who else waits: when it asks again it stands behind them.
    if (!goesOn) this.#giveOver(place);
    else if (!this.#serveNext(place, turn)) this.#later(() => this.#giveUnused(place, turn));
  }

  /** Whether somebody waited. */
  #serveNext(place: Place, turn: Turn): boolean {
    const next = place.waiting.shift();
    next?.(this.#begin(place, turn));
    return next !== undefined;
  }

  #giveUnused(place: Place, turn: Turn): void {
    if (place.turn === turn && !turn.busy) this.#giveOver(place);
  }

  #giveOver(place: Place): void {
    const { host, waiting } = place;
    place.turn = undefined;
    this.#send({ kind: "turnOver", host });
    if (waiting.length > 0) this.#send({ kind: "turn", host });
    else this.#places.delete(host);
  }
}
