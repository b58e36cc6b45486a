/** Items as the database has them; each throws when something of it can't be read. */
import {
  type DueItem,
  type DueRecipient,
  type HistoryEntry,
  HistoryRow,
  ItemRow,
  type ItemView,
  type NewRecipient,
  RecipientRow,
  type Unreported,
} from "./item.ts";
import type { Statements } from "./statements.ts";

export function readDue(sql: Statements, id: string, seqs: ReadonlySet<number>): DueItem {
  const item = ItemRow.parse(sql.get("SELECT * FROM item WHERE id = ?", id));
  const recipients: DueRecipient[] = readRecipients(sql, id)
    .filter(({ seq }) => seqs.has(seq))
    .map((row) => ({
      ...{ seq: row.seq, destination: row.destination, attempts: row.attempts },
      ...named(row),
      ...(row.delay_told !== 0 && { delayTold: true }),
    }));
  return { ...item, recipients };
}

export function readUnreported(sql: Statements, id: string): Unreported {
  const { size: _, ...item } = ItemRow.parse(sql.get("SELECT * FROM item WHERE id = ?", id));
  const query = "SELECT * FROM recipient WHERE item = ? AND owed IS NOT NULL ORDER BY seq";
  const recipients = sql.all(query, id).map((row) => {
    const recipient = RecipientRow.parse(row);
    const { seq, state, answer, owed } = recipient;
    if (owed === null || answer === null) throw new Error("nothing is known of what is to be reported");
    return { seq, state, owed, answer, ...named(recipient) };
  });
  return { ...item, recipients };
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
