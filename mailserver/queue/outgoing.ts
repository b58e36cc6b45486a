/**
 * What the queue gives out to be worked on. What of it can't be read is set aside, that alone, and holds up nothing. One
 * step of a transaction each.
 */
import { type Asides, LeftAlone, type SetAside } from "./aside.ts";
import type { Claim, ClaimQuery, Claims } from "./claims.ts";
import { faultText, isOfItem, sqliteCode } from "./fault.ts";
import type { DueItem, Owing } from "./item.ts";
import { QUERIES } from "./queries.ts";
import { describeBroken, type Read, readDue, readUnreported } from "./rows.ts";
import type { Statements } from "./statements.ts";

export interface OutgoingParts {
  readonly sql: Statements;
  readonly claims: Claims;
  readonly asides: Asides;
}

/** Due recipients, grouped by item; they are not given out again until settled or released. */
export function giveDue(
  { sql, claims, asides }: OutgoingParts,
  query: ClaimQuery,
): { items: DueItem[]; setAside: SetAside[] } {
  const items: DueItem[] = [];
  const setAside: SetAside[] = [];
  const readings = claims.due(query).map((claim) => ({
    claim,
    ...reading(asides, claim.item, () => readDue(sql, claim.item, new Set(claim.seqs))),
  }));
  check(readings);
  for (const { claim, item, fault } of readings) {
    const given = item?.recipients.map(({ seq }) => seq) ?? [];
    if (item !== undefined && given.length > 0) items.push(item);
    claims.take({ item: claim.item, seqs: given });
    if (fault === undefined) continue;
    const aside = asides.put({ ...fault, id: claim.item, at: query.now });
    if (aside !== undefined) setAside.push(aside);
    if (aside === undefined || aside.stays) claims.leaveOut(without(claim, given));
  }
  return { items, setAside };
}

/** Of which the sender is to be told something; `null` for all items (at start), some at a time. */
export interface UnreportedQuery {
  readonly id: string | null;
  readonly at: number;
  /** The last item of those before. */
  readonly after?: string;
}

/** `next`: after which item there may be more. */
export interface UnreportedItems {
  readonly items: Owing[];
  readonly setAside: SetAside[];
  readonly next?: string;
}

const UNREPORTED_AT_ONCE = 100;

/** Items of which the sender is to be told something. */
export function giveUnreported(
  { sql, asides }: OutgoingParts,
  { id, at, after = "" }: UnreportedQuery,
): UnreportedItems {
  const rows =
    id === null ? sql.all(QUERIES.unreported, after, UNREPORTED_AT_ONCE) : sql.all(QUERIES.isUnreported, id);
  const items: Owing[] = [];
  const setAside: SetAside[] = [];
  const readings = rows.map((row) => {
    const of = String(row.item);
    return { of, ...reading(asides, of, () => readUnreported(sql, of)) };
  });
  check(readings);
  for (const { of, item, fault } of readings) {
    if (item !== undefined && item.recipients.length > 0) items.push(item);
    const aside = fault && asides.put({ ...fault, id: of, at });
    if (aside !== undefined) setAside.push(aside);
  }
  const last = rows[UNREPORTED_AT_ONCE - 1];
  return { items, setAside, ...(last !== undefined && { next: String(last.item) }) };
}

const without = ({ item, seqs }: Claim, given: readonly number[]): Claim => ({
  item,
  seqs: seqs.filter((seq) => !given.includes(seq)),
});

interface Reading<T> {
  readonly item?: T;
  /** What is to be set aside: all of the item unless recipients are named. */
  readonly fault?: { readonly cause: string; readonly seqs?: ReturnType<typeof describeBroken>["seqs"] };
  /** The database itself can't read it. */
  readonly damaged?: true;
}

/** Throws when the database has a fault that may pass. */
function reading<T>(asides: Asides, id: string, read: () => Read<T>): Reading<T> {
  const left = asides.leftAlone(id);
  if (left?.stays === "unread") return { fault: left };
  try {
    const { item, broken } = read();
    return broken.length === 0 ? { item } : { item, fault: describeBroken(broken) };
  } catch (error) {
    if (!isOfItem(error)) throw error;
    const cause = faultText(error);
    if (sqliteCode(error) === undefined) return { fault: { cause } };
    asides.leaveAlone(id, "unread", cause);
    return { damaged: true };
  }
}

/** All are read before anything is written: after a damaged page that goes on, and this does not. */
function check(readings: readonly Reading<unknown>[]): void {
  if (readings.some(({ damaged }) => damaged)) throw new LeftAlone("the database has a damaged page");
}
