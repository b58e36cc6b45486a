/** What the runner has claimed: which deliveries may start now, within the limits. No I/O. */
import { atOnceOf, nextAtOnce, SLOW_MS } from "./at-once.ts";
import type { DueItem, DueRecipient } from "./item.ts";
import { sentOnFor } from "./route.ts";
import { type Lack, UnderWay } from "./under-way.ts";

/** Recipients of one item that go to one destination, with the same copy. */
export interface Group {
  readonly item: DueItem;
  readonly destination: string;
  readonly recipients: readonly DueRecipient[];
}

/** Slow destinations that are remembered; the first ones are forgotten first. */
const MAX_SLOW = 10_000;
/** Recipients claimed ahead, in all, and of slow destinations before all of these are left out of claims. */
const MAX_WAITING = 2_000;
const MAX_WAITING_SLOW = MAX_WAITING / 2;
/** And in one claim while slow ones may be in it: the rest is for others in any case. */
const MAX_CLAIM = MAX_WAITING / 4;
/** Groups and recipients that wait for one destination before it is left out. */
const MAX_WAITING_PER_DESTINATION = 20;
const MAX_RECIPIENTS_PER_DESTINATION = 100;
/** RFC 5321 section 4.5.3.1.8: a server must take 100 recipients, and need not take more. */
const MAX_RECIPIENTS = 100;

const recipientsOf = (groups: readonly Group[]): number =>
  groups.reduce((sum, { recipients }) => sum + recipients.length, 0);

export interface BacklogOptions {
  /** Deliveries at the same time that are not late yet; slow destinations have half of them at most. */
  readonly atOnce: number;
  /** Milliseconds; only differences mean something. */
  readonly now: () => number;
}

export class Backlog {
  readonly #options: BacklogOptions;
  readonly #underWay: UnderWay;
  readonly #slow = new Set<string>();
  readonly #waiting = new Map<string, Group[]>();
  readonly #active = new Map<string, number>();
  /** Of destinations that have work, how many deliveries may be under way. */
  readonly #limits = new Map<string, number>();
  /** What the last `take` that found nothing was missing for somebody. */
  #lack: Lack | undefined;
  #waitingRecipients = 0;

  constructor(options: BacklogOptions) {
    this.#options = options;
    this.#underWay = new UnderWay({ places: options.atOnce, now: options.now });
  }

  /** How many more recipients may be claimed. */
  room(): number {
    const left = MAX_WAITING - this.#waitingRecipients;
    return this.#enoughSlow() ? left : Math.min(left, MAX_CLAIM);
  }

  /** Destinations of which enough is claimed already. */
  busyDestinations(): string[] {
    const busy = [...this.#waiting]
      .filter(([, groups]) => {
        const enough = groups.length >= MAX_WAITING_PER_DESTINATION;
        return enough || recipientsOf(groups) >= MAX_RECIPIENTS_PER_DESTINATION;
      })
      .map(([name]) => name);
    return this.#enoughSlow() ? [...new Set([...busy, ...this.#slow])] : busy;
  }

  /** Slow destinations must leave room for what can leave at once. */
  #enoughSlow(): boolean {
    if (this.#slow.size === 0) return false;
    const slow = [...this.#waiting].filter(([name]) => this.#slow.has(name));
    return slow.reduce((sum, [, groups]) => sum + recipientsOf(groups), 0) >= MAX_WAITING_SLOW;
  }

  add(item: DueItem): void {
    const alike = (recipient: DueRecipient): string =>
      [recipient.destination, ...sentOnFor(recipient)].join("\n");
    for (const all of Map.groupBy(item.recipients, alike).values()) {
      const destination = all[0]?.destination ?? "";
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
    this.#lack = undefined;
    let slowToo: boolean | undefined;
    for (const [destination, groups] of this.#waiting) {
      if (this.#slow.has(destination)) {
        // Once for all of them: everything that is under way is looked at.
        slowToo ??= this.#mayBeSlow();
        if (!slowToo) {
          this.#lack ??= "slow";
          this.#underWay.leavesTurn(destination);
          continue;
        }
      }
      if ((this.#active.get(destination) ?? 0) >= this.#limitOf(destination)) {
        this.#underWay.leavesTurn(destination);
        continue;
      }
      // Small ones go past a large one that has no room yet; without a place nobody goes.
      const group = groups.find((each) => this.#hasRoom(each));
      if (group === undefined) this.#lack = "room";
      else if (this.#underWay.hasPlace()) return this.#start(group);
      else {
        this.#lack = "place";
        return undefined;
      }
    }
    return undefined;
  }

  #hasRoom(group: Group): boolean {
    const has = this.#underWay.hasRoom(group);
    if (!has) this.#underWay.waitsForRoom(group);
    return has;
  }

  /** After `take` found nothing: a delivery under way that has to give way to one that waits. */
  giveWay(): Group | undefined {
    return this.#lack && this.#underWay.giveWay(this.#lack);
  }

  /** After `take` found nothing: when it may find something although nothing has ended, or somebody else has to give way. */
  changesAt(): number | undefined {
    return this.#lack && this.#underWay.changesAt();
  }

  #mayBeSlow(): boolean {
    const slow = this.#underWay.inTime().filter(({ destination }) => this.#slow.has(destination));
    return slow.length < this.#options.atOnce / 2;
  }

  #start(group: Group): Group {
    const { destination, recipients } = group;
    const left = (this.#waiting.get(destination) ?? []).filter((each) => each !== group);
    // Taken out and put back at the end: destinations take turns.
    this.#waiting.delete(destination);
    if (left.length > 0) this.#waiting.set(destination, left);
    this.#active.set(destination, (this.#active.get(destination) ?? 0) + 1);
    this.#underWay.begin(group);
    this.#waitingRecipients -= recipients.length;
    return group;
  }

  /** A delivery has its result, which is not stored yet. */
  answered(group: Group): void {
    this.#underWay.answered(group);
  }

  /** `delivered`: somebody of the group has the message now. */
  finished(group: Group, delivered: boolean): void {
    const { destination } = group;
    const ms = this.#underWay.end(group);
    this.#noteSlow(destination, ms > SLOW_MS);
    const active = this.#active.get(destination) ?? 1;
    if (active > 1 || this.#waiting.has(destination)) {
      const range = atOnceOf(destination, this.#options.atOnce);
      const limit = nextAtOnce(this.#limitOf(destination), { delivered, ms, active }, range);
      this.#limits.set(destination, limit);
    } else this.#limits.delete(destination);
    if (active > 1) this.#active.set(destination, active - 1);
    else this.#active.delete(destination);
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

  /** Takes out everything that has not started, of one destination or of all. */
  drain(destination?: string): Group[] {
    const names = destination === undefined ? [...this.#waiting.keys()] : [destination];
    return names.flatMap((name) => {
      const groups = this.#waiting.get(name) ?? [];
      this.#waiting.delete(name);
      this.#underWay.leavesTurn(name);
      if (!this.#active.has(name)) this.#limits.delete(name);
      for (const { recipients } of groups) this.#waitingRecipients -= recipients.length;
      return groups;
    });
  }
}
