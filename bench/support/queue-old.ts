/** A queue as the first version left it: what an update finds. */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { FILE } from "../../mailserver/queue/database.ts";
import type { NewItem } from "../../mailserver/queue/item.ts";
import { PRAGMAS, STEPS } from "../../mailserver/queue/schema.ts";

const ANSWER = { code: 451, status: "4.4.1", text: "No mail host could be reached" };
/** Each was tried twice. */
const HISTORY = JSON.stringify([1, 2].map((at) => ({ at, seq: 0, state: "pending", answer: ANSWER })));

/** Fills a folder with the items, in transactions of so many. */
export function fillOld(dir: string, items: Iterable<NewItem>, atOnce: number): void {
  const db = new DatabaseSync(join(dir, FILE));
  db.exec(PRAGMAS);
  db.exec(`${STEPS[0]}; PRAGMA user_version = 1; BEGIN`);
  const item = db.prepare("INSERT INTO item (id, created, envelope, size, history) VALUES (?, ?, ?, ?, ?)");
  const body = db.prepare("INSERT INTO body (id, content) VALUES (?, ?)");
  const recipient = db.prepare(
    `INSERT INTO recipient (item, seq, address, destination, state, attempts, next_attempt, answer)
     VALUES (?, ?, ?, ?, 'pending', 2, ?, ?)`,
  );
  let count = 0;
  for (const { id, created, envelope, recipients, body: content } of items) {
    item.run(id, created, JSON.stringify(envelope), content.length, HISTORY);
    body.run(id, content);
    for (const [seq, { address, destination }] of recipients.entries()) {
      recipient.run(id, seq, address, destination, created, JSON.stringify(ANSWER));
    }
    count += 1;
    if (count % atOnce === 0) db.exec("COMMIT; BEGIN");
  }
  db.exec("COMMIT");
  db.close();
}
