/** What an attempt found, as the database keeps it. */
import type { Settlement } from "./item.ts";
import { QUERIES } from "./queries.ts";
import type { Statements } from "./statements.ts";

/** Does nothing when somebody took the item out of the queue meanwhile. */
export function writeSettlement(
  sql: Statements,
  { id, at, settlement }: { readonly id: string; readonly at: number; readonly settlement: Settlement },
): void {
  const { seq, state, attempts, nextAttempt = 0, answer, owed = null } = settlement;
  const text = JSON.stringify(answer);
  const known = sql.run(QUERIES.settle, ...[state, state, attempts, nextAttempt, text, owed, owed, id, seq]);
  if (known === 0) return;
  sql.run(
    "INSERT OR REPLACE INTO history (item, seq, attempt, at, state, answer) VALUES (?, ?, ?, ?, ?, ?)",
    ...[id, seq, attempts, at, state, text],
  );
}
