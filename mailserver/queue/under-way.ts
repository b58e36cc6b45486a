/**
 * The deliveries under way: whether there is a place and room for one more, and who gives way when there is not. Whoever
 * can make hosts slow must not be able to stop the mail of others, however many names those hosts have. No I/O.
 */
import { SLOW_MS } from "./at-once.ts";
import type { Group } from "./backlog.ts";
import { sentOnFor } from "./route.ts";

/** Bytes in a millisecond that a large message is given besides, until it is late: 2 Mbit/s. */
const LEAST_RATE = 256;
/** Deliveries that are late hold places of their own, so many for each of the others'. */
const LATE_PLACES = 3;
/** And for as long as a host may take for one answer (RFC 5321 section 4.5.3.2) they need not give them up. */
const LONG_MS = 300_000;
/** Bytes in a millisecond that a large message is given besides, 128 kbit/s: who is cut off begins anew the next time. */
const SLOW_LINE = 16;
/** A message up to this size needs a place alone, and so never waits for large ones. */
const SMALL = 64 * 1024;
/** Bytes of the larger messages that are being delivered; one larger than this goes alone among them. */
const LARGE_BYTES = 40 * 1024 * 1024;
/** Of these, what late ones may keep as they keep their places; the first of them in any case. */
const LATE_BYTES = LARGE_BYTES / 2;
/** Who was told to give way and has not by then waits for the answer to a whole message: another one is told. */
const REACT_MS = 250;

/** What a delivery waits for: a place, room for a large message, or that a slow one is late and leaves its share. */
export type Lack = "place" | "room" | "slow";

export interface UnderWayOptions {
  /** Deliveries at the same time that are not late. */
  readonly places: number;
  /** Milliseconds; only differences mean something. */
  readonly now: () => number;
}

/** Bytes in memory: what is sent on is there twice, with a Delivered-To field and without. */
const bytesOf = ({ item, recipients }: Group): number =>
  recipients.some((recipient) => sentOnFor(recipient).length > 0) ? 2 * item.size : item.size;
const isLarge = (group: Group): boolean => bytesOf(group) > SMALL;
const lateAfter = ({ item }: Group): number => SLOW_MS + item.size / LEAST_RATE;
const longAfter = (group: Group): number => LONG_MS + (isLarge(group) ? group.item.size / SLOW_LINE : 0);
const bytesOfAll = (groups: readonly Group[]): number =>
  groups.reduce((sum, group) => sum + bytesOf(group), 0);

/** Who has the room that is freed next, and the first of the large ones when it came to that. */
interface Turn {
  readonly group: Group;
  readonly before: Group | undefined;
}

export class UnderWay {
  readonly #options: UnderWayOptions;
  /** When each began, in this order. */
  readonly #begun = new Map<Group, number>();
  /** How long those took that have their result, which waits to be stored: they are never late. */
  readonly #answered = new Map<Group, number>();
  /** When each that was told to give way was. */
  readonly #told = new Map<Group, number>();
  #largeBytes = 0;
  #turn: Turn | undefined;

  constructor(options: UnderWayOptions) {
    this.#options = options;
  }

  begin(group: Group): void {
    this.#begun.set(group, this.#options.now());
    if (isLarge(group)) this.#largeBytes += bytesOf(group);
    if (this.#turn?.group === group) this.#turn = undefined;
  }

  /** It has its result. What finds no room on the disk keeps its place, so that no more is sent than can be recorded. */
  answered(group: Group): void {
    this.#answered.set(group, this.#age(group));
  }

  /** Gives the milliseconds that it took until it had its result. */
  end(group: Group): number {
    const ms = this.#answered.get(group) ?? this.#age(group);
    this.#begun.delete(group);
    this.#answered.delete(group);
    this.#told.delete(group);
    if (isLarge(group)) this.#largeBytes -= bytesOf(group);
    return ms;
  }

  hasPlace(): boolean {
    const { places } = this.#options;
    // Most often: nobody has to be looked at.
    if (this.#begun.size < places) return true;
    return this.#begun.size - Math.min(this.#late().length, LATE_PLACES * places) < places;
  }

  hasRoom(group: Group): boolean {
    if (!isLarge(group)) return true;
    if (this.#turn !== undefined && this.#turn.group !== group && !this.#mayPass(this.#turn)) return false;
    return this.#largeBytes === 0 || this.#largeBytes + bytesOf(group) <= LARGE_BYTES;
  }

  /** A large one lacks room: until it has begun no other large one does, unless another waits so already. */
  waitsForRoom(group: Group): void {
    this.#turn ??= { group, before: [...this.#begun.keys()].find(isLarge) };
  }

  /** What waits for that destination can't go for another reason, or does not wait any more. */
  leavesTurn(destination: string): void {
    if (this.#turn?.group.destination === destination) this.#turn = undefined;
  }

  /** Both don't fit together, and the first stays for now: others need not wait for that. */
  #mayPass({ group, before }: Turn): boolean {
    if (before === undefined || !this.#begun.has(before)) return false;
    return bytesOf(before) + bytesOf(group) > LARGE_BYTES && this.#age(before) < longAfter(before);
  }

  /** Those that are not late. */
  inTime(): Group[] {
    return [...this.#begun.keys()].filter((group) => !this.#isLate(group));
  }

  /**
   * Who gives way now to one that has to wait: who has been late for long, or the last of more late ones than may be. The
   * first of them stay, so that some come to their end however slow the line of all is. Nobody while one that was told
   * may still be ending.
   */
  giveWay(lack: Lack): Group | undefined {
    const { now, places } = this.#options;
    if (lack === "slow") return undefined;
    if ([...this.#told.values()].some((at) => now() - at < REACT_MS)) return undefined;
    const all = this.#late();
    if (lack === "place" && all.length <= LATE_PLACES * places) return undefined;
    const late = all.filter((group) => !this.#told.has(group) && (lack === "place" || isLarge(group)));
    const group = late.find((each) => this.#age(each) >= longAfter(each)) ?? this.#lastOf(late, lack);
    if (group !== undefined) this.#told.set(group, now());
    return group;
  }

  #lastOf(late: readonly Group[], lack: Lack): Group | undefined {
    if (lack === "place") return late.at(-1);
    const turn = this.#turn;
    const needed = turn === undefined || this.#mayPass(turn) ? 0 : bytesOf(turn.group);
    if (bytesOfAll(late) <= Math.min(LATE_BYTES, LARGE_BYTES - needed)) return undefined;
    const first = turn === undefined ? late[0] : turn.before;
    return late.findLast((each) => each !== first);
  }

  /** When one that waits may have to be looked at again, though nothing ends until then. */
  changesAt(): number | undefined {
    const now = this.#options.now();
    const begun = [...this.#begun].filter(([group]) => !this.#answered.has(group));
    const moments = begun.flatMap(([group, at]) => [at + lateAfter(group), at + longAfter(group)]);
    for (const at of this.#told.values()) moments.push(at + REACT_MS);
    const next = Math.min(...moments.filter((at) => at > now));
    return Number.isFinite(next) ? next : undefined;
  }

  #late(): Group[] {
    return [...this.#begun.keys()].filter((group) => this.#isLate(group));
  }

  #isLate(group: Group): boolean {
    return !this.#answered.has(group) && this.#age(group) >= lateAfter(group);
  }

  #age(group: Group): number {
    const { now } = this.#options;
    return now() - (this.#begun.get(group) ?? now());
  }
}
