/** What the disk can do: a loop that writes and waits for it, and nothing else. */
import { closeSync, fdatasyncSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";

const MS = 2_000;
/** Written over and over, as a log is that begins anew: no file grows. */
const FILE_BYTES = 4 * 1_024 * 1_024;

/** Messages a second that a loop makes durable, `together` with each wait for the disk. */
export function durablePerSecond(
  folder: string,
  { bytes, together }: { readonly bytes: number; readonly together: number },
): number {
  const file = openSync(join(folder, "ceiling"), "w");
  try {
    writeSync(file, Buffer.alloc(FILE_BYTES), 0, FILE_BYTES, 0);
    fdatasyncSync(file);
    const batch = Buffer.alloc(bytes * together, "x");
    const began = performance.now();
    let waits = 0;
    for (let at = 0; performance.now() - began < MS; waits += 1) {
      writeSync(file, batch, 0, batch.length, at);
      fdatasyncSync(file);
      at = at + 2 * batch.length > FILE_BYTES ? 0 : at + batch.length;
    }
    return (waits * together * 1_000) / (performance.now() - began);
  } finally {
    closeSync(file);
  }
}
