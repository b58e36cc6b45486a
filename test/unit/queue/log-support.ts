/** The files of a queue, and what tests do to them. */
import fs from "node:fs";
import { join } from "node:path";
import { FILE, LOG } from "../../../mailserver/queue/database.ts";
import type { NewItem } from "../../../mailserver/queue/item.ts";
import { Store } from "../../../mailserver/queue/store.ts";
import { temporaryFolder } from "../../support/queue.ts";

/** A queue's folder as it is found when its process was killed. */
export async function killedQueue(
  ...items: readonly NewItem[]
): Promise<Awaited<ReturnType<typeof temporaryFolder>>> {
  await using folder = await temporaryFolder();
  const killed = await temporaryFolder();
  const store = new Store({ dir: folder.path });
  for (const item of items) store.transaction(() => store.enqueue(item));
  for (const name of [FILE, LOG]) fs.copyFileSync(join(folder.path, name), join(killed.path, name));
  store.close();
  return killed;
}

/** Both files, byte by byte. */
export const files = (dir: string): Buffer[] => [FILE, LOG].map((name) => fs.readFileSync(join(dir, name)));

/** In a word: to tell how megabytes differ takes a minute. */
export const same = (some: readonly Buffer[], others: readonly Buffer[]): boolean =>
  some.length === others.length && some.every((each, index) => others[index]?.equals(each));
