/** Items as the database has them; each throws when something of it can't be read. */
import {
  type DueItem,
  type DueRecipient,
  type HistoryEntry,
  HistoryRow,
  ItemRow,
  RecipientRow,
  type Unreported,
} from "./item.ts";
import type { Statements } from "./statements.ts";

export function readDue(sql: Statements, id: string, seqs: ReadonlySet<number>): DueItem {
  const item = ItemRow.parse(sql.get("SELECT * FROM item WHERE id = ?", id));
  const recipients: DueRecipient[] = readRecipients(sql, id)
    .filter(({ seq }) => seqs.has(seq))
    .map(({ seq, address, destination, attempts, originals }) => ({
      ...{ seq, address, destination, attempts },
      ...(originals && { originals }),
    }));
  return { ...item, recipients };
}

export function readUnreported(sql: Statements, id: string): Unreported {
  const { size: _, ...item } = ItemRow.parse(sql.get("SELECT * FROM item WHERE id = ?", id));
  const query = `SELECT * FROM recipient WHERE item = ? AND state IN ('failed', 'expired') AND reported = 0 ORDER BY seq`;
  const recipients = sql.all(query, id).map((row) => {
    const { seq, address, state, answer, originals } = RecipientRow.parse(row);
    if ((state !== "failed" && state !== "expired") || answer === null)
      throw new Error("no reason for a failure");
    return { seq, address, state, answer, ...(originals && { originals }) };
  });
  return { ...item, recipients };
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
