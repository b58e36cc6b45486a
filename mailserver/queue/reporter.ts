/** Tells senders what became of their messages: once, whatever happens between. */
import type { Log } from "../net/log.ts";
import type { SetAside } from "./aside.ts";
import type { Clock } from "./clock.ts";
import type { NewItem, Unreported } from "./item.ts";
import type { Queue } from "./queue.ts";
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
}

export class Reporter {
  readonly #options: ReporterOptions;
  readonly #reporting = new Map<string, Promise<void>>();

  constructor(options: ReporterOptions) {
    this.#options = options;
  }

  /** One report of an item at a time: two that read the same would both tell it. */
  async reportInTurn(id: string): Promise<void> {
    const before = this.#reporting.get(id)?.catch(() => {}) ?? Promise.resolve();
    const mine = before.then(() => this.reportAll(id));
    this.#reporting.set(id, mine);
    await mine.finally(() => this.#reporting.get(id) === mine && this.#reporting.delete(id));
  }

  /** Sends the notifications that are due for one item, or for all. */
  async reportAll(id: string | null): Promise<void> {
    const { queue, clock, log, persist, stopped } = this.#options;
    const found = await persist(() => queue.unreported({ id, at: clock.now() }));
    logSetAside(log, found.setAside);
    for (const item of found.items) {
      try {
        await this.#report(item);
      } catch (error) {
        if (stopped()) throw error;
        // One that can't be reported now holds up neither the others nor the queue's start.
        log.error("queue.error", { item: item.id, error });
      }
    }
  }

  async #report(item: Unreported): Promise<void> {
    const { queue, composeDsn, log, persist } = this.#options;
    const told = item.recipients.map(({ seq, owed }) => ({ seq, owed }));
    const silence = whyNotTold(item.envelope);
    if (silence !== undefined) {
      await persist(() => queue.report({ id: item.id, told }));
      log.info(silence, { item: item.id, recipients: item.recipients });
      return;
    }
    const original = await persist(() => queue.body(item.id));
    // Where a person of ours has their mail, the directory may not tell now.
    const dsn = await persist(() => composeDsn(item, original));
    // Both in one transaction: a crash neither loses the notification nor sends a second one.
    const { queued } = await persist(() => queue.report({ id: item.id, told, dsn }));
    if (queued) log.info("dsn.queued", { item: item.id, dsn: dsn.id, to: item.envelope.from, told });
  }
}

/** Items that could not be read need somebody's eyes. */
export function logSetAside(log: Log, items: readonly SetAside[]): void {
  for (const { id, cause } of items) log.error("queue.item.unreadable", { item: id, cause });
}
