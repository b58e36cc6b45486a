/**
 * Takes what is due out of the queue, lets couriers carry it, stores what came of it, and tells the sender.
 * It wakes when something is queued, when a delivery ends, when the next recipient is due, and, while something has to wait
 * for deliveries under way, when one of them becomes late: never in between.
 */
import type { RetrySettings } from "../contract.ts";
import type { Result } from "../courier/types.ts";
import type { Log } from "../net/log.ts";
import { unlessAborted } from "../net/unless-aborted.ts";
import { localError } from "../smtp/replies.ts";
import { type Attempted, type AttemptOptions, attempt, conclude, type Deliver } from "./attempt.ts";
import { Backlog, type Group } from "./backlog.ts";
import { type Clock, within } from "./clock.ts";
import type { NewItem, Unreported } from "./item.ts";
import { type Queue, QueueError } from "./queue.ts";
import { logSetAside, Reporter } from "./reporter.ts";
import { createPersist } from "./store-result.ts";

export interface RunnerOptions {
  readonly queue: Queue;
  readonly deliver: Deliver;
  /** Makes the notification for the sender of `item`. */
  readonly composeDsn: (item: Unreported, original: Uint8Array) => Promise<NewItem>;
  readonly retry: RetrySettings;
  /** Until when a destination that did not answer is left alone, by `clock.elapsed`; by default none is. */
  readonly restsUntil?: (destination: string) => number;
  /** Deliveries at the same time that are not late; 20 unless told. */
  readonly atOnce?: number;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
}

export interface Runner {
  /** Looks for due recipients now. */
  wake(): void;
  /** Stores what comes of a delivery that has begun already; the recipients are claimed. */
  follow(group: Group, delivery: Promise<readonly Result[]>): void;
  /** Settles within two seconds, and may be called again; what was not finished by then is due again at the next start. */
  stop(): Promise<void>;
}

/** Unless told. */
const AT_ONCE = 20;
/** Time for deliveries in progress to end by themselves when the runner stops. */
const GRACE_MS = 1_500;
/**
 * And for what does not heed the end, as a look-up in the directory, and a delivery that began after it, in a session that
 * the daemon lets come to its end.
 */
const LAST_MS = 400;
/** Of who was still waited for: no attempt, since the runner ends. */
const CUT: Result = { kind: "temporary", reply: localError };
/** Pause after a fault of the queue until it is asked again what is due. */
const AFTER_FAULT_MS = 5_000;

/** Starts working at once, on the reports that a crash left unsent and on what is due. */
export function startRunner(options: RunnerOptions): Runner {
  const runner = new QueueRunner(options);
  options.queue.onEnqueued(() => runner.wake());
  options.queue.onRestored(() => runner.reportAll());
  runner.reportAll();
  runner.wake();
  return runner;
}

class QueueRunner implements Runner {
  readonly #options: RunnerOptions;
  readonly #backlog: Backlog;
  readonly #abort = new AbortController();
  readonly #active = new Set<Promise<void>>();
  /** Destinations that rested when last asked for. */
  readonly #resting = new Set<string>();
  readonly #attempts: AttemptOptions;
  readonly #reporter: Reporter;
  /** Of what is under way from the backlog. */
  readonly #giveWay = new Map<Group, AbortController>();
  #cancelTimer = () => {};
  #cancelLook = () => {};
  #stopped = false;
  #filling = false;
  #again = false;

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.#backlog = new Backlog({ atOnce: options.atOnce ?? AT_ONCE, now: () => options.clock.elapsed() });
    const { signal } = this.#abort;
    const persist = createPersist({ ...options, signal });
    const deliver: Deliver = (destination, delivery, ending, giveWay) => {
      const carried = options.deliver(destination, delivery, ending, giveWay);
      const cut = delivery.recipients.map(() => CUT);
      return unlessAborted(carried, ending, () => within(this.#options.clock, LAST_MS, carried, cut));
    };
    this.#attempts = { ...options, deliver, persist, signal };
    const track = (work: Promise<void>): void => this.#track(work);
    this.#reporter = new Reporter({ ...options, persist, stopped: () => this.#stopped, signal, track });
  }

  /** Sends the reports that are due. */
  reportAll(): void {
    this.#track(this.#reporter.reportAll());
  }

  wake(): void {
    this.#again = true;
    if (!this.#filling) this.guard(this.#fill());
  }

  follow(group: Group, delivery: Promise<readonly Result[]>): void {
    const { signal } = this.#abort;
    const cut = group.recipients.map(() => CUT);
    // When the runner ends, it does not wait for a delivery that it can't stop; of one that begins later it hears in a moment.
    const results = signal.aborted
      ? within(this.#options.clock, LAST_MS, delivery, cut)
      : unlessAborted(delivery, signal, () => cut);
    let ended = false;
    const work = conclude(group, results, this.#attempts).then((attempted) => {
      ({ ended } = attempted);
      return this.#finish(group, attempted);
    });
    // It took no place of others, and most leave nothing that could be due: then there is nothing to look for.
    this.#track(work.finally(() => ended || this.wake()));
  }

  async stop(): Promise<void> {
    // What was taken in while the runner was ending is followed, too.
    if (this.#stopped) return this.#idle();
    this.#stopped = true;
    this.#cancelTimer();
    this.#cancelLook();
    const { promise: timeUp, resolve } = Promise.withResolvers<void>();
    const cancel = this.#options.clock.after(GRACE_MS, resolve);
    await Promise.race([Promise.allSettled(this.#active), timeUp]);
    cancel();
    this.#abort.abort();
    await this.#idle();
    for (const group of this.#backlog.drain()) await this.#release(group);
  }

  /** Nothing is under way any more, nor what came of it. */
  async #idle(): Promise<void> {
    while (this.#active.size > 0) await Promise.allSettled(this.#active);
  }

  /** What the runner's end waits for. */
  #track(work: Promise<void>): void {
    const tracked = work.finally(() => this.#active.delete(tracked));
    this.#active.add(tracked);
    this.guard(tracked);
  }

  /** Errors of the queue itself are logged, not thrown: the daemon watches `queue.failed`. */
  guard(work: Promise<void>): void {
    work.catch((error: unknown) => {
      if (!(this.#stopped && error instanceof QueueError)) this.#options.log.error("queue.error", { error });
    });
  }

  async #fill(): Promise<void> {
    const { queue, clock, log } = this.#options;
    this.#filling = true;
    try {
      while (this.#again && !this.#stopped) {
        this.#again = false;
        this.#cancelTimer();
        const room = this.#backlog.room();
        if (room <= 0) return;
        const rest = this.#rest();
        const except = [...this.#backlog.busyDestinations(), ...this.#resting];
        const { items, setAside } = await queue.claimDue({ now: clock.now(), limit: room, except });
        logSetAside(log, setAside);
        for (const item of items) this.#backlog.add(item);
        this.#pump();
        if (items.length > 0 || setAside.length > 0) this.#again = true;
        else if (!this.#again) await this.#armTimer(except, rest);
      }
    } catch (error) {
      // Nobody else would look again.
      if (!this.#stopped) this.#cancelTimer = clock.after(AFTER_FAULT_MS, () => this.wake());
      throw error;
    } finally {
      this.#filling = false;
    }
  }

  /** Forgets destinations that rest no more; gives the earliest end of the others' rest. */
  #rest(): number {
    const { clock, restsUntil = () => 0 } = this.#options;
    const ends = [...this.#resting].map((destination) => ({ destination, until: restsUntil(destination) }));
    // Once: nobody would wake for a rest that ends between two looks.
    const now = clock.elapsed();
    for (const { destination, until } of ends) if (until <= now) this.#resting.delete(destination);
    return Math.min(...ends.map(({ until }) => until).filter((until) => until > now));
  }

  /** After a delivery: what else waits for a destination that did not answer goes back, rather than fail in turn. */
  async #leaveAlone(destination: string): Promise<void> {
    const { clock, restsUntil = () => 0 } = this.#options;
    if (restsUntil(destination) <= clock.elapsed()) return;
    this.#resting.add(destination);
    for (const group of this.#backlog.drain(destination)) await this.#release(group);
  }

  async #armTimer(except: readonly string[], rest: number): Promise<void> {
    const { queue, clock } = this.#options;
    const due = (await queue.nextDue(except)) ?? Number.POSITIVE_INFINITY;
    const ms = Math.min(due - clock.now(), rest - clock.elapsed());
    if (ms === Number.POSITIVE_INFINITY || this.#stopped) return;
    this.#cancelTimer = clock.after(Math.max(ms, 0), () => this.wake());
  }

  #pump(): void {
    for (let group = this.#take(); group !== undefined; group = this.#take()) {
      const work = this.#deliver(group).finally(() => {
        this.#pump();
        this.wake();
      });
      this.#track(work);
    }
    if (!this.#stopped) this.#makeRoom();
  }

  /** For what waits though nothing keeps it from going but deliveries under way. */
  #makeRoom(): void {
    const { clock } = this.#options;
    const late = this.#backlog.giveWay();
    if (late !== undefined) this.#giveWay.get(late)?.abort();
    this.#cancelLook();
    const at = this.#backlog.changesAt();
    if (at === undefined) return;
    this.#cancelLook = clock.after(at - clock.elapsed(), () => {
      this.#pump();
      this.wake();
    });
  }

  #take(): Group | undefined {
    return this.#stopped ? undefined : this.#backlog.take();
  }

  async #deliver(group: Group): Promise<void> {
    let delivered = false;
    const giveWay = new AbortController();
    this.#giveWay.set(group, giveWay);
    try {
      const attempted = await attempt(group, this.#attempts, {
        giveWay: giveWay.signal,
        answered: () => this.#backlog.answered(group),
      });
      ({ delivered } = attempted);
      await this.#finish(group, attempted);
    } finally {
      this.#giveWay.delete(group);
      this.#backlog.finished(group, delivered);
    }
  }

  async #finish({ item, destination }: Group, { tried, left, idle }: Attempted): Promise<void> {
    if (tried) await this.#leaveAlone(destination);
    const given = left.length > 0 ? await this.#giveBack(item.id, left) : { idle };
    // By itself: a notification that finds no room on the disk must not keep its place from what can leave.
    if (given.idle) this.#track(this.#reporter.report(item));
  }

  async #release({ item, recipients }: Group): Promise<void> {
    const seqs = recipients.map(({ seq }) => seq);
    await this.#giveBack(item.id, seqs);
  }

  /** What is claimed and not given back is tried by nobody. */
  #giveBack(id: string, seqs: readonly number[]): Promise<{ readonly idle: boolean }> {
    return this.#attempts.persist(() => this.#options.queue.release({ id, seqs }));
  }
}
