/** Items as the database has them; each throws when something of it can't be read. */
import type { SQLInputValue } from "node:sqlite";
import { faultText } from "./fault.ts";
import {
  type DueItem,
  type DueRecipient,
  type HistoryEntry,
  HistoryRow,
  ItemRow,
  type ItemView,
  type NewRecipient,
  type Owing,
  RecipientRow,
} from "./item.ts";
import { readable } from "./readable.ts";
import { seqOf } from "./seq.ts";
import type { SqlRow, Statements } from "./statements.ts";

/** A recipient that can't be read, by its `seq` as the database has it. */
export interface Broken {
  readonly seq: SQLInputValue;
  readonly cause: string;
}

/** As the table of what lies aside has them. */
export function describeBroken(broken: readonly Broken[]): { seqs: SQLInputValue[]; cause: string } {
  return { seqs: broken.map(({ seq }) => seq), cause: broken.map(({ cause }) => cause).join("; ") };
}

/** What could be read of an item: its recipients are those that could. */
export interface Read<T> {
  readonly item: T;
  readonly broken: readonly Broken[];
}

export function readDue(sql: Statements, id: string, seqs: ReadonlySet<number>): Read<DueItem> {
  const item = readItemRow(sql, id);
  const rows = sql.all("SELECT * FROM recipient WHERE item = ? ORDER BY seq", id);
  const due = rows.filter(({ seq }) => seqs.has(seqOf(seq)));
  const { read: recipients, broken } = readEach(
    due,
    (row): DueRecipient => ({
      ...{ seq: row.seq, destination: row.destination, attempts: row.attempts },
      ...named(row),
      ...(row.delay_told !== 0 && { delayTold: true }),
    }),
  );
  return { item: { ...item, recipients }, broken };
}

export function readUnreported(sql: Statements, id: string): Read<Owing> {
  const item = readItemRow(sql, id);
  const query = "SELECT * FROM recipient WHERE item = ? AND owed IS NOT NULL ORDER BY seq";
  const { read: recipients, broken } = readEach(sql.all(query, id), (row) => {
    const { seq, state, answer, owed } = row;
    if (owed === null || answer === null) {
      throw new Error(`recipient ${seq}: nothing is known of what is to be reported`);
    }
    return { seq, state, owed, answer, ...named(row) };
  });
  return { item: { ...item, recipients }, broken };
}

function readItemRow(sql: Statements, id: string) {
  return readable(ItemRow, sql.get("SELECT * FROM item WHERE id = ?", id), "item");
}

/** One recipient that can't be read must not keep the others from their mail. */
function readEach<T>(
  rows: readonly SqlRow[],
  read: (row: RecipientRow) => T,
): { read: T[]; broken: Broken[] } {
  const broken: Broken[] = [];
  const good = rows.flatMap((row) => {
    try {
      return [read(readable(RecipientRow, row, `recipient ${row.seq}`))];
    } catch (error) {
      broken.push({ seq: row.seq as SQLInputValue, cause: faultText(error) });
      return [];
    }
  });
  return { read: good, broken };
}

/** Everything but the body; undefined when there is no such item. */
export function readItem(sql: Statements, id: string): ItemView | undefined {
  const summary = readSummary(sql, id);
  return summary && { ...summary, history: readHistory(sql, id) };
}

/** An item without its history. */
export function readSummary(sql: Statements, id: string): Omit<ItemView, "history"> | undefined {
  const row = sql.get("SELECT * FROM item WHERE id = ?", id);
  if (row === undefined) return undefined;
  const recipients = readRecipients(sql, id).map((row) => ({
    ...named(row),
    ...{ destination: row.destination, state: row.state, attempts: row.attempts },
    nextAttempt: row.next_attempt,
    ...(row.answer === null ? {} : { lastAnswer: row.answer }),
  }));
  return { ...ItemRow.parse(row), recipients };
}

/** A recipient by all its names, and what its sender wants to hear of it. */
export function named({
  address,
  originals,
  notify,
  orcpt,
}: RecipientRow): Omit<NewRecipient, "destination"> {
  return {
    address,
    ...(originals && { originals }),
    ...(notify && { notify }),
    ...(orcpt && { orcpt }),
  };
}

export function readRecipients(sql: Statements, id: string): RecipientRow[] {
  return sql
    .all("SELECT * FROM recipient WHERE item = ? ORDER BY seq", id)
    .map((row) => RecipientRow.parse(row));
}

/** What was tried, in order. */
export function readHistory(sql: Statements, id: string): HistoryEntry[] {
  const query = "SELECT at, seq, state, answer FROM history WHERE item = ? ORDER BY at, seq, attempt";
  return sql.all(query, id).map((row) => HistoryRow.parse(row));
}
