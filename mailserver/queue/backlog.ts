/** What the runner has claimed: which deliveries may start now, within the limits. No I/O. */
import { atOnceOf, nextAtOnce, SLOW_MS } from "./at-once.ts";
import type { DueItem, DueRecipient } from "./item.ts";

/** Recipients of one item that go to one destination. */
export interface Group {
  readonly item: DueItem;
  readonly destination: string;
  readonly recipients: readonly DueRecipient[];
}

/** Slow destinations that are remembered; the first ones are forgotten first. */
const MAX_SLOW = 10_000;
/** Bytes of the messages that are being delivered; one larger than this goes alone. */
const MAX_ACTIVE_BYTES = 64 * 1024 * 1024;
/** Recipients claimed ahead, in all, and groups waiting per destination before it is left out of claims. */
const MAX_WAITING = 2_000;
const MAX_WAITING_PER_DESTINATION = 20;
/** RFC 5321 section 4.5.3.1.8: a server must take 100 recipients, and need not take more. */
const MAX_RECIPIENTS = 100;

export interface BacklogOptions {
  /** Deliveries at the same time, in all; slow destinations have half of them at most. */
  readonly atOnce: number;
  /** Milliseconds. */
  readonly now: () => number;
}

export class Backlog {
  readonly #options: BacklogOptions;
  readonly #started = new Map<Group, number>();
  readonly #slow = new Set<string>();
  readonly #waiting = new Map<string, Group[]>();
  readonly #active = new Map<string, number>();
  /** Of destinations that have work, how many deliveries may be under way. */
  readonly #limits = new Map<string, number>();
  #activeTotal = 0;
  #activeBytes = 0;
  #waitingRecipients = 0;

  constructor(options: BacklogOptions) {
    this.#options = options;
  }

  /** How many more recipients may be claimed. */
  room(): number {
    return MAX_WAITING - this.#waitingRecipients;
  }

  /** Destinations of which enough is claimed already. */
  busyDestinations(): string[] {
    return [...this.#waiting]
      .filter(([, groups]) => groups.length >= MAX_WAITING_PER_DESTINATION)
      .map(([name]) => name);
  }

  add(item: DueItem): void {
    for (const [destination, all] of Map.groupBy(item.recipients, (recipient) => recipient.destination)) {
      const groups = this.#waiting.get(destination) ?? [];
      for (let start = 0; start < all.length; start += MAX_RECIPIENTS) {
        groups.push({ item, destination, recipients: all.slice(start, start + MAX_RECIPIENTS) });
      }
      this.#waiting.set(destination, groups);
      this.#waitingRecipients += all.length;
    }
  }

  /** The next group that may start; the caller must call `finished` with it. */
  take(): Group | undefined {
    const { atOnce, now } = this.#options;
    if (this.#activeTotal >= atOnce) return undefined;
    const slowActive = [...this.#started.keys()].filter((group) => this.#slow.has(group.destination)).length;
    for (const [destination, groups] of this.#waiting) {
      const active = this.#active.get(destination) ?? 0;
      if (active >= this.#limitOf(destination) || !this.#fits(groups[0])) continue;
      if (this.#slow.has(destination) && slowActive >= atOnce / 2) continue;
      const group = groups.shift();
      // Taken out and put back at the end: destinations take turns.
      this.#waiting.delete(destination);
      if (groups.length > 0) this.#waiting.set(destination, groups);
      if (group === undefined) continue;
      this.#started.set(group, now());
      this.#active.set(destination, active + 1);
      this.#activeTotal += 1;
      this.#activeBytes += group.item.size;
      this.#waitingRecipients -= group.recipients.length;
      return group;
    }
    return undefined;
  }

  /** `delivered`: somebody of the group has the message now. */
  finished(group: Group, delivered: boolean): void {
    const { destination, item } = group;
    const ms = this.#options.now() - (this.#started.get(group) ?? 0);
    this.#started.delete(group);
    this.#noteSlow(destination, ms > SLOW_MS);
    const active = this.#active.get(destination) ?? 1;
    if (active > 1 || this.#waiting.has(destination)) {
      const range = atOnceOf(destination, this.#options.atOnce);
      const limit = nextAtOnce(this.#limitOf(destination), { delivered, ms, active }, range);
      this.#limits.set(destination, limit);
    } else this.#limits.delete(destination);
    if (active > 1) this.#active.set(destination, active - 1);
    else this.#active.delete(destination);
    this.#activeTotal -= 1;
    this.#activeBytes -= item.size;
  }

  #noteSlow(destination: string, slow: boolean): void {
    this.#slow.delete(destination);
    if (slow) this.#slow.add(destination);
    const oldest = this.#slow.values().next();
    if (this.#slow.size > MAX_SLOW && oldest.done === false) this.#slow.delete(oldest.value);
  }

  #limitOf(destination: string): number {
    return this.#limits.get(destination) ?? atOnceOf(destination, this.#options.atOnce).first;
  }

  #fits(group: Group | undefined): boolean {
    return this.#activeTotal === 0 || this.#activeBytes + (group?.item.size ?? 0) <= MAX_ACTIVE_BYTES;
  }

  /** Takes out everything that has not started, of one destination or of all. */
  drain(destination?: string): Group[] {
    const names = destination === undefined ? [...this.#waiting.keys()] : [destination];
    return names.flatMap((name) => {
      const groups = this.#waiting.get(name) ?? [];
      this.#waiting.delete(name);
      if (!this.#active.has(name)) this.#limits.delete(name);
      for (const { recipients } of groups) this.#waitingRecipients -= recipients.length;
      return groups;
    });
  }
}
