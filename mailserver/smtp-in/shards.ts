/** The spool's folders: one per worker, so that each has one writer. */
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

const DATABASE = "queue.sqlite";

/** The folder of a worker's own spool. */
export function ownShard(queueDir: string, slot: number): string {
  return join(queueDir, `worker-${slot}`);
}

/**
 * Folders with a spool that no worker has for its own, since there were more workers before, or one process did
 * everything. Those of slot `slot` to take care of, when there are `workers`.
 */
export function orphanedShards(queueDir: string, slot: number, workers: number): string[] {
  const folders = existsSync(queueDir) ? readdirSync(queueDir) : [];
  const orphans = folders
    .map((name) => ({ name, number: Number(/^worker-([1-9]\d{0,3})$/.exec(name)?.[1]) }))
    .filter(({ number }) => number > workers && (number - 1) % workers === slot - 1)
    .map(({ name }) => join(queueDir, name));
  const all = slot === 1 ? [queueDir, ...orphans] : orphans;
  return all.filter((folder) => existsSync(join(folder, DATABASE)));
}

/** Removes the files of a spool that is empty and closed. */
export function removeShard(folder: string): void {
  for (const suffix of ["", "-wal", "-shm"]) rmSync(join(folder, `${DATABASE}${suffix}`), { force: true });
}
