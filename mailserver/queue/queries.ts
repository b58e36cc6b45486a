/**
 * The statements whose cost must not grow with the queue: tests ask SQLite which indices they use. `INDEXED BY` makes a
 * statement fail rather than fall back to reading everything.
 */

import { IS_SEQ } from "./seq.ts";

const UNCLAIMED = "NOT EXISTS (SELECT 1 FROM claimed c WHERE c.item = r.item AND c.seq = r.seq)";

export const QUERIES = {
  /** now → destinations for which something may be due, the one that has waited longest first */
  dueDestinations: `SELECT name FROM destination INDEXED BY destination_next
    WHERE next_attempt <= ? ORDER BY next_attempt`,

  /** destination, now → what is due for it, in order; without a place where that can't be read */
  due: `SELECT item, CASE WHEN ${IS_SEQ} THEN seq END AS seq FROM recipient r INDEXED BY waiting
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

  /** item, how many → the items behind that one of which the sender is to be told something */
  unreported: `SELECT DISTINCT item FROM recipient INDEXED BY owed
    WHERE owed IS NOT NULL AND item > ? ORDER BY item LIMIT ?`,

  /** item → whether there is something of it that the sender is to be told */
  isUnreported: "SELECT item FROM recipient WHERE item = ? AND owed IS NOT NULL LIMIT 1",

  /** item → whether there is something left to do */
  isOpen: `SELECT 1 FROM recipient
    WHERE item = ? AND (state IN ('pending', 'held') OR owed IS NOT NULL) LIMIT 1`,

  /** item → those of its recipients with whom there is something left to do */
  open: "SELECT seq FROM recipient WHERE item = ? AND (state IN ('pending', 'held') OR owed IS NOT NULL)",

  /**
   * state, state again, attempts, next attempt, answer, owed twice, item, seq; who was held meanwhile stays
   * so, if not done, and a delay that was told meanwhile is not told again
   */
  settle: `UPDATE recipient SET state = CASE WHEN state = 'held' AND ? = 'pending' THEN 'held' ELSE ? END,
    attempts = ?, next_attempt = ?, answer = ?,
    owed = CASE WHEN delay_told AND ? = 'delayed' THEN NULL ELSE ? END WHERE item = ? AND seq = ?`,

  /** item, seq, what was told; what became of it meanwhile is still to be told */
  told: `UPDATE recipient SET owed = NULL, delay_told = (delay_told OR owed = 'delayed')
    WHERE item = ? AND seq = ? AND owed = ?`,

  /** item → who is still waiting to be tried */
  pending: "SELECT seq FROM recipient WHERE item = ? AND state = 'pending'",

  /** new time, item: those that wait are due */
  retry: "UPDATE recipient SET next_attempt = ? WHERE item = ? AND state = 'pending'",

  /** item */
  hold: "UPDATE recipient SET state = 'held' WHERE item = ? AND state = 'pending'",

  /** new time, item */
  unhold: "UPDATE recipient SET state = 'pending', next_attempt = ? WHERE item = ? AND state = 'held'",

  /** name, how many → the destinations from that one on */
  destinationsFrom: "SELECT name FROM destination WHERE name >= ? ORDER BY name LIMIT ?",

  /** how many → the oldest items */
  oldest: "SELECT id FROM item INDEXED BY item_created ORDER BY created LIMIT ?",

  /** how many → items of which somebody is held */
  held: "SELECT DISTINCT item AS id FROM recipient INDEXED BY held WHERE state = 'held' LIMIT ?",

  /** how many → items of which somebody was tried in vain */
  deferred: `SELECT DISTINCT item AS id FROM recipient INDEXED BY deferred
    WHERE state = 'pending' AND attempts > 0 LIMIT ?`,

  /** → how many items are held and deferred, and when the oldest was taken */
  census: `SELECT
    (SELECT count(DISTINCT item) FROM recipient INDEXED BY held WHERE state = 'held') AS held,
    (SELECT count(DISTINCT item) FROM recipient INDEXED BY deferred WHERE state = 'pending' AND attempts > 0)
      AS deferred,
    (SELECT min(created) FROM item) AS oldest`,

  /** item */
  forget: "DELETE FROM recipient WHERE item = ?",

  /** item; its message stays if something of it lies aside */
  forgetBody: "DELETE FROM body WHERE id = ?",
} as const;
