/** Tells senders what became of their messages: once, whatever happens between. */
import type { Log } from "../net/log.ts";
import { unlessAborted } from "../net/unless-aborted.ts";
import { DirectoryUnavailable } from "../policy/recipient.ts";
import type { SetAside } from "./aside.ts";
import type { Clock } from "./clock.ts";
import type { NewItem, Owing, Unreported } from "./item.ts";
import type { UnreportedItems, UnreportedQuery } from "./outgoing.ts";
import { type Queue, QueueEnded, QueueFull } from "./queue.ts";
import { whyNotTold } from "./schedule.ts";
import type { Persist } from "./store-result.ts";

export interface ReporterOptions {
  readonly queue: Queue;
  /** Makes the notification for the sender of `item`. */
  readonly composeDsn: (item: Unreported, original: Uint8Array) => Promise<NewItem>;
  readonly clock: Clock;
  readonly log: Log;
  readonly persist: Persist;
  readonly stopped: () => boolean;
  /** Aborted when the runner ends: what has not been told by then is told after the next start. */
  readonly signal: AbortSignal;
  /** Is given all work that the runner's end waits for. */
  readonly track: (work: Promise<void>) => void;
}

/** Notifications that are made at the same time, and bytes of their messages, which are in memory; a larger one is made alone. */
const AT_ONCE = 4;
const MAX_BYTES = 16 * 1024 * 1024;
/** Pause until the directory is asked again where a sender of ours has their mail, and a full disk whether it has room. */
const PAUSE_MS = 5_000;

/** The disk has none for this notification. It may have for a smaller one, which must not wait behind it. */
class NoRoomYet extends Error {
  override readonly name = "NoRoomYet";
}

export class Reporter {
  readonly #options: ReporterOptions;
  /** Items that wait for their turn, by id, with their bytes: no more is kept of them, however many they are. */
  readonly #line = new Map<string, number>();
  /** Those for which the directory did not answer, or the disk had no room: behind all others, so that they hold up nobody. */
  readonly #putOff = new Map<string, number>();
  /** Being told of. One report of an item at a time: two that read the same would both tell it. */
  readonly #active = new Map<string, number>();
  /** Who is not served for the moment. */
  readonly #paused = new Set<"everybody" | "who was put off">();

  constructor(options: ReporterOptions) {
    this.#options = options;
  }

  /** Sends the notifications that are due, of all items. */
  async reportAll(): Promise<void> {
    const { queue, clock, log, persist } = this.#options;
    let after: string | undefined = "";
    while (after !== undefined) {
      const query: UnreportedQuery = { id: null, after, at: clock.now() };
      const found: UnreportedItems = await persist(() => queue.unreported(query));
      logSetAside(log, found.setAside);
      await Promise.all(found.items.map((item) => this.report(item)));
      after = found.next;
    }
  }

  /** Sends the notification that is due for an item when it is its turn; at once when it is that nobody is told. */
  async report({ id, size, envelope }: Omit<Owing, "recipients">): Promise<void> {
    if (whyNotTold(envelope) !== undefined) return this.#try(id, size);
    this.#line.set(id, size);
    this.#putOff.delete(id);
    this.#pump();
  }

  #pump(): void {
    for (let next = this.#take(); next !== undefined; next = this.#take()) {
      const { id, size } = next;
      this.#active.set(id, size);
      const work = this.#try(id, size).finally(() => {
        this.#active.delete(id);
        this.#pump();
      });
      this.#options.track(work);
    }
  }

  #take(): { id: string; size: number } | undefined {
    if (this.#options.signal.aborted || this.#active.size >= AT_ONCE) return undefined;
    if (this.#paused.has("everybody")) return undefined;
    const lines = this.#paused.has("who was put off") ? [this.#line] : [this.#line, this.#putOff];
    for (const waiting of lines) {
      for (const [id, size] of waiting) {
        if (this.#active.has(id)) continue;
        if (!this.#fits(size)) return undefined;
        waiting.delete(id);
        return { id, size };
      }
    }
    return undefined;
  }

  #fits(size: number): boolean {
    const bytes = [...this.#active.values()].reduce((sum, of) => sum + of, size);
    return this.#active.size === 0 || bytes <= MAX_BYTES;
  }

  async #try(id: string, size: number): Promise<void> {
    const { log, stopped } = this.#options;
    try {
      await this.#report(id);
    } catch (error) {
      const noRoom = error instanceof NoRoomYet;
      if (noRoom || error instanceof DirectoryUnavailable) {
        this.#putOff.set(id, size);
        this.#pause(noRoom ? "who was put off" : "everybody");
      } else if (stopped()) throw error;
      // One that can't be reported now holds up neither the others nor the queue's start.
      log.error("queue.error", { item: id, error });
    }
  }

  /** Where the directory is silent the others would hardly hear more of it, and each would be composed in vain. */
  #pause(whom: "everybody" | "who was put off"): void {
    if (this.#paused.has(whom)) return;
    this.#paused.add(whom);
    const { clock, signal } = this.#options;
    const end = (): void => {
      cancel();
      signal.removeEventListener("abort", end);
      this.#paused.delete(whom);
      this.#pump();
    };
    const cancel = clock.after(PAUSE_MS, end);
    signal.addEventListener("abort", end, { once: true });
  }

  async #report(id: string): Promise<void> {
    const { queue, clock, log, persist } = this.#options;
    const { items, setAside } = await persist(() => queue.unreported({ id, at: clock.now() }));
    logSetAside(log, setAside);
    for (const item of items) await this.#tell(item);
  }

  async #tell(item: Unreported): Promise<void> {
    const { queue, composeDsn, log, persist, signal } = this.#options;
    const told = item.recipients.map(({ seq, owed }) => ({ seq, owed }));
    const silence = whyNotTold(item.envelope);
    if (silence !== undefined) {
      await persist(() => queue.report({ id: item.id, told }));
      log.info(silence, { item: item.id, recipients: item.recipients });
      return;
    }
    const original = await persist(() => queue.body(item.id));
    // It may ask a directory that is silent, which the end does not wait for.
    const cut = (): Promise<never> => Promise.reject(new QueueEnded("the runner ended"));
    const dsn = await unlessAborted(composeDsn(item, original), signal, cut);
    // Both in one transaction: a crash neither loses the notification nor sends a second one.
    const { queued } = await persist(() =>
      queue.report({ id: item.id, told, dsn }).catch((error: unknown) => {
        throw error instanceof QueueFull ? new NoRoomYet(error.message, { cause: error }) : error;
      }),
    );
    if (queued) log.info("dsn.queued", { item: item.id, dsn: dsn.id, to: item.envelope.from, told });
  }
}

/** Items that could not be read need somebody's eyes. */
export function logSetAside(log: Log, items: readonly SetAside[]): void {
  for (const { id, cause } of items) log.error("queue.item.unreadable", { item: id, cause });
}
