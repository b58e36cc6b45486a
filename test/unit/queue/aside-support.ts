/** Queues whose database somebody has been at, and what their tests ask for. */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { NewItem } from "../../../mailserver/queue/item.ts";
import { testQueue } from "../../support/queue.ts";

export const all = { now: 10, limit: 100, except: [] };
export const THREE = ["bob@one.test", "eve@two.test", "kim@three.test"];
export const DONE = {
  state: "delivered",
  attempts: 1,
  answer: { code: 250, status: "2.0.0", text: "ok" },
} as const;
export const LATER = {
  state: "pending",
  attempts: 1,
  answer: { code: 451, status: "4.7.1", text: "later" },
} as const;
export const WITHOUT_MESSAGE = "DROP TRIGGER body_kept; DELETE FROM body";
export const ANSWER = `'{"code":550,"status":"5.1.1","text":"nobody"}'`;

/** A queue whose database somebody has been at. */
export async function damaged(dir: string, sql: string, ...items: NewItem[]) {
  {
    await using queue = await testQueue(dir);
    for (const each of items) await queue.enqueue(each);
  }
  exec(dir, sql);
  return testQueue(dir);
}

export function exec(dir: string, sql: string): void {
  const db = new DatabaseSync(join(dir, "queue.sqlite"));
  db.exec(sql);
  db.close();
}

export const of = (seq: number, change: string): string =>
  `UPDATE recipient SET ${change} WHERE item = 'a' AND seq = ${seq}`;

export const restore = { verb: "restore", id: "a", at: 50 } as const;
