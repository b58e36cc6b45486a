/** A queue in a folder of its own, and items for it. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NewItem } from "../../mailserver/queue/item.ts";
import { openQueue, type Queue, type QueueOptions } from "../../mailserver/queue/queue.ts";

export const QUEUE_WORKER = new URL("../../mailserver/queue/worker-entry.ts", import.meta.url);

/** A folder that is removed after use. */
export async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), "semail-t-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** Opens a queue that is closed after use. */
export async function testQueue(
  dir: string,
  options: Partial<QueueOptions> = {},
): Promise<Queue & AsyncDisposable> {
  const queue = await openQueue({ dir, worker: QUEUE_WORKER, ...options });
  return Object.assign(queue, { [Symbol.asyncDispose]: () => queue.close() });
}

/** An item for the given recipients at foreign domains. */
export function item(id: string, recipients: readonly string[], rest: Partial<NewItem> = {}): NewItem {
  return {
    id,
    created: 0,
    envelope: { from: "alice@semail.test", eightBit: false, smtputf8: false },
    recipients: recipients.map((address) => ({ address, destination: `mx:${address.split("@")[1]}` })),
    body: Buffer.from("Subject: hello\r\n\r\nhello\r\n"),
    ...rest,
  };
}
