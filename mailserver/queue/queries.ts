/**
 * The statements whose cost must not grow with the queue: tests ask SQLite which indices they use. `INDEXED BY` makes a
 * statement fail rather than fall back to reading everything.
 */

const UNCLAIMED = "NOT EXISTS (SELECT 1 FROM claimed c WHERE c.item = r.item AND c.seq = r.seq)";

export const QUERIES = {
  /** now → destinations for which something may be due, the one that has waited longest first */
  dueDestinations: `SELECT name FROM destination INDEXED BY destination_next
    WHERE next_attempt <= ? ORDER BY next_attempt`,

  /** destination, now → what is due for it, in order */
  due: `SELECT item, seq FROM recipient r INDEXED BY waiting
    WHERE state = 'pending' AND destination = ? AND next_attempt <= ? AND ${UNCLAIMED} ORDER BY next_attempt`,

  /** → all destinations, the one that is due first ahead */
  destinations:
    "SELECT name, next_attempt FROM destination INDEXED BY destination_next ORDER BY next_attempt",

  /** destination → when the first for it is due */
  next: `SELECT next_attempt FROM recipient r INDEXED BY waiting
    WHERE state = 'pending' AND destination = ? AND ${UNCLAIMED} ORDER BY next_attempt LIMIT 1`,

  /** new time, destination, old time, how many */
  hasten: `UPDATE recipient SET next_attempt = ? WHERE (item, seq) IN (
    SELECT item, seq FROM recipient INDEXED BY waiting
    WHERE state = 'pending' AND destination = ? AND next_attempt > ? ORDER BY next_attempt LIMIT ?)`,

  /** → items with failures that nobody was told of */
  unreported: `SELECT DISTINCT item FROM recipient INDEXED BY unreported
    WHERE state IN ('failed', 'expired') AND reported = 0`,

  /** item → whether it has failures that nobody was told of */
  isUnreported: `SELECT item FROM recipient
    WHERE item = ? AND state IN ('failed', 'expired') AND reported = 0 LIMIT 1`,

  /** item → whether there is something left to do */
  isOpen: `SELECT 1 FROM recipient
    WHERE item = ? AND (state = 'pending' OR (state IN ('failed', 'expired') AND reported = 0)) LIMIT 1`,

  /** state, attempts, next attempt, answer, item, seq */
  settle: `UPDATE recipient SET state = ?, attempts = ?, next_attempt = ?, answer = ? WHERE item = ? AND seq = ?`,

  /** item */
  forget: "DELETE FROM recipient WHERE item = ?",
} as const;
