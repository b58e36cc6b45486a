/**
 * Takes what is due out of the queue, lets couriers carry it, stores what came of it, and tells the sender.
 * It wakes when something is queued, when a delivery ends, and when the next recipient is due: never in between.
 */
import type { RetrySettings } from "../contract.ts";
import type { Delivery, Result } from "../courier/types.ts";
import type { Log } from "../net/log.ts";
import { reply } from "../smtp/replies.ts";
import { Backlog, type Group } from "./backlog.ts";
import type { Clock } from "./clock.ts";
import { toDelivery } from "./delivery.ts";
import type { NewItem, Settlement, Unreported } from "./item.ts";
import { type Queue, QueueError, QueueFull } from "./queue.ts";
import { type AttemptResult, settle, toAnswer, whyNotTold } from "./schedule.ts";
import type { SetAside } from "./store.ts";

/** Carries one message to one destination; one result per recipient, in their order. Gives up when aborted. */
export type Deliver = (
  destination: string,
  delivery: Delivery,
  signal: AbortSignal,
) => Promise<readonly Result[]>;

export interface RunnerOptions {
  readonly queue: Queue;
  readonly deliver: Deliver;
  /** Makes the notification for the sender of `item`. */
  readonly composeDsn: (item: Unreported, original: Uint8Array) => Promise<NewItem>;
  readonly retry: RetrySettings;
  /** Until when a destination that did not answer is left alone, in milliseconds since 1970; by default none is. */
  readonly restsUntil?: (destination: string) => number;
  /** Deliveries at the same time; 20 unless told. */
  readonly atOnce?: number;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
}

export interface Runner {
  /** Looks for due recipients now. */
  wake(): void;
  /** Settles within two seconds; what was not finished by then is due again at the next start. */
  stop(): Promise<void>;
}

const AT_ONCE = 20;
/** Time for deliveries in progress to end by themselves when the runner stops. */
const GRACE_MS = 1_500;
/** Pause until something that the disk had no room for is stored again. */
const FULL_PAUSE_MS = 5_000;

/** Starts working at once: first the reports that a crash left unsent, then what is due. */
export function startRunner(options: RunnerOptions): Runner {
  const runner = new QueueRunner(options);
  options.queue.onEnqueued(() => runner.wake());
  runner.guard(runner.reportAll(null).then(() => runner.wake()));
  return runner;
}

class QueueRunner implements Runner {
  readonly #options: RunnerOptions;
  readonly #backlog: Backlog;
  readonly #abort = new AbortController();
  readonly #active = new Set<Promise<void>>();
  /** Destinations that rested when last asked for. */
  readonly #resting = new Set<string>();
  readonly #reporting = new Map<string, Promise<void>>();
  #cancelTimer = () => {};
  #stopped = false;
  #filling = false;
  #again = false;

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.#backlog = new Backlog({ atOnce: options.atOnce ?? AT_ONCE, now: () => options.clock.now() });
  }

  wake(): void {
    this.#again = true;
    if (!this.#filling) this.guard(this.#fill());
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#cancelTimer();
    const { promise: timeUp, resolve } = Promise.withResolvers<void>();
    const cancel = this.#options.clock.after(GRACE_MS, resolve);
    await Promise.race([Promise.all(this.#active), timeUp]);
    cancel();
    this.#abort.abort();
    await Promise.all(this.#active);
    for (const group of this.#backlog.drain()) await this.#release(group);
  }

  /** Errors of the queue itself are logged, not thrown: the daemon watches `queue.failed`. */
  guard(work: Promise<void>): void {
    work.catch((error: unknown) => {
      if (!(this.#stopped && error instanceof QueueError)) this.#options.log.error("queue.error", { error });
    });
  }

  /** One report of an item at a time: two that read the same would both tell it. */
  async #reportInTurn(id: string): Promise<void> {
    const before = this.#reporting.get(id)?.catch(() => {}) ?? Promise.resolve();
    const mine = before.then(() => this.reportAll(id));
    this.#reporting.set(id, mine);
    await mine.finally(() => this.#reporting.get(id) === mine && this.#reporting.delete(id));
  }

  /** Sends the notifications that are due for one item, or for all. */
  async reportAll(id: string | null): Promise<void> {
    const found = await this.#options.queue.unreported({ id, at: this.#options.clock.now() });
    this.#logSetAside(found.setAside);
    for (const item of found.items) {
      try {
        await this.#report(item);
      } catch (error) {
        if (this.#stopped) throw error;
        // One that can't be reported now holds up neither the others nor the queue's start.
        this.#options.log.error("queue.error", { item: item.id, error });
      }
    }
  }

  async #fill(): Promise<void> {
    const { queue, clock } = this.#options;
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
        this.#logSetAside(setAside);
        for (const item of items) this.#backlog.add(item);
        this.#pump();
        if (items.length > 0 || setAside.length > 0) this.#again = true;
        else if (!this.#again) await this.#armTimer(except, rest);
      }
    } finally {
      this.#filling = false;
    }
  }

  /** Forgets destinations that rest no more; gives the earliest end of the others' rest. */
  #rest(): number {
    const { clock, restsUntil = () => 0 } = this.#options;
    const ends = [...this.#resting].map((destination) => ({ destination, until: restsUntil(destination) }));
    for (const { destination, until } of ends) if (until <= clock.now()) this.#resting.delete(destination);
    return Math.min(...ends.map(({ until }) => until).filter((until) => until > clock.now()));
  }

  /** After a delivery: what else waits for a destination that did not answer goes back, rather than fail in turn. */
  async #leaveAlone(destination: string): Promise<void> {
    const { clock, restsUntil = () => 0 } = this.#options;
    if (restsUntil(destination) <= clock.now()) return;
    this.#resting.add(destination);
    for (const group of this.#backlog.drain(destination)) await this.#release(group);
  }

  async #armTimer(except: readonly string[], rest: number): Promise<void> {
    const { queue, clock } = this.#options;
    const next = Math.min((await queue.nextDue(except)) ?? Number.POSITIVE_INFINITY, rest);
    if (next === Number.POSITIVE_INFINITY || this.#stopped) return;
    this.#cancelTimer = clock.after(Math.max(next - clock.now(), 0), () => this.wake());
  }

  #pump(): void {
    for (let group = this.#take(); group !== undefined; group = this.#take()) {
      const mine = group;
      const work = this.#deliver(mine).finally(() => {
        this.#active.delete(work);
        this.#backlog.finished(mine);
        this.#pump();
        this.wake();
      });
      this.#active.add(work);
      this.guard(work);
    }
  }

  #take(): Group | undefined {
    return this.#stopped ? undefined : this.#backlog.take();
  }

  async #deliver(group: Group): Promise<void> {
    const { queue, deliver, clock } = this.#options;
    const { item, recipients, destination } = group;
    const delivery = await this.#open(group);
    if (delivery === undefined) return;
    const results = await deliver(destination, delivery, this.#abort.signal).catch((error: unknown) => {
      this.#options.log.error("queue.error", { item: item.id, destination, error });
      const answer = reply(451, "4.3.0", "The message could not be handled here");
      return recipients.map((): Result => ({ kind: "temporary", reply: answer }));
    });
    const settlements = this.#toSettlements(group, results);
    const now = clock.now();
    const { idle } = await this.#persist(() => queue.settle({ id: item.id, at: now, settlements }));
    this.#logSettlements(group, settlements);
    await this.#leaveAlone(destination);
    if (settlements.length < recipients.length) await this.#release(group);
    if (idle) await this.#reportInTurn(item.id);
  }

  #toSettlements({ item, recipients }: Group, results: readonly Result[]): Settlement[] {
    const { clock, retry, random } = this.#options;
    return recipients.flatMap((recipient, index) => {
      const result = toAttempt(results[index]);
      // Cut off by our own end: that is no attempt, and the recipient is due again at the next start.
      if (this.#abort.signal.aborted && result.kind === "temporary") return [];
      return [
        settle(recipient, result, {
          created: item.created,
          now: clock.now(),
          settings: retry,
          random: random(),
          silent: whyNotTold(item.envelope) !== undefined,
        }),
      ];
    });
  }

  /** Reads what is to be delivered; an item that can't be read is set aside. */
  async #open(group: Group): Promise<Delivery | undefined> {
    const { queue, clock } = this.#options;
    const { item } = group;
    try {
      return toDelivery({ ...group, body: await queue.body(item.id) });
    } catch (error) {
      const cause = error instanceof Error ? error.message : String(error);
      this.#logSetAside([await queue.setAside({ id: item.id, cause, at: clock.now() })]);
      return undefined;
    }
  }

  async #release({ item, recipients }: Group): Promise<void> {
    const seqs = recipients.map(({ seq }) => seq);
    await this.#options.queue.release({ id: item.id, seqs });
  }

  async #report(item: Unreported): Promise<void> {
    const { queue, composeDsn, log } = this.#options;
    const told = item.recipients.map(({ seq, owed }) => ({ seq, owed }));
    const silence = whyNotTold(item.envelope);
    if (silence !== undefined) {
      await this.#persist(() => queue.report({ id: item.id, told }));
      log.info(silence, { item: item.id, recipients: item.recipients });
      return;
    }
    const dsn = await composeDsn(item, await queue.body(item.id));
    // Both in one transaction: a crash neither loses the notification nor sends a second one.
    await this.#persist(() => queue.report({ id: item.id, told, dsn }));
    log.info("dsn.queued", { item: item.id, dsn: dsn.id, to: item.envelope.from, told });
  }

  /** A result that finds no room on the disk is kept until it does; forgetting it would deliver twice. */
  async #persist<T>(store: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await store();
      } catch (error) {
        if (!(error instanceof QueueFull) || this.#abort.signal.aborted) throw error;
        this.#options.log.error("queue.error", { error });
        await new Promise<void>((resolve) => {
          const cancel = this.#options.clock.after(FULL_PAUSE_MS, resolve);
          const giveUp = () => {
            cancel();
            resolve();
          };
          this.#abort.signal.addEventListener("abort", giveUp, { once: true });
        });
      }
    }
  }

  #logSettlements(group: Group, settlements: readonly Settlement[]): void {
    const events = { delivered: "queue.delivered", pending: "queue.deferred" } as const;
    for (const { seq, state, answer, attempts, nextAttempt } of settlements) {
      const event = state === "delivered" || state === "pending" ? events[state] : "queue.failed";
      const to = group.recipients.find((recipient) => recipient.seq === seq)?.address;
      this.#options.log.info(event, { item: group.item.id, to, state, answer, attempts, nextAttempt });
    }
  }

  #logSetAside(items: readonly SetAside[]): void {
    for (const { id, cause } of items) this.#options.log.error("queue.item.unreadable", { item: id, cause });
  }
}

function toAttempt(result: Result | undefined): AttemptResult {
  // A courier that gives fewer results than recipients must not crash the queue: those are tried again.
  if (result === undefined) {
    return {
      kind: "temporary",
      answer: { code: 451, status: "4.3.0", text: "No result for this recipient" },
    };
  }
  const { kind, reply: of, host, dsn } = result;
  return { kind, answer: toAnswer(of, host), ...(dsn && { dsn }) };
}
