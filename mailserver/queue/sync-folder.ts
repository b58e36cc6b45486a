/** Names of files and folders that survive a power cut. */
import { closeSync, fsyncSync, mkdirSync, openSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";

/** The names in a folder must survive a power cut as well as the files' content. */
export function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/**
 * Makes a folder where there is none, with those above it. Their names are on the disk when this returns: all that is
 * kept in a folder is gone with its name. Also where it was there before, for whoever made it may have been cut off.
 */
export function makeFolder(path: string): void {
  const made = mkdirSync(path, { recursive: true });
  const highest = made === undefined ? resolve(path) : resolve(made);
  for (let folder = resolve(path); ; folder = dirname(folder)) {
    const above = dirname(folder);
    // The name of what is mounted there is not the file system's.
    if (statSync(above).dev === statSync(folder).dev) syncFolder(above);
    if (folder === highest || above === folder) return;
  }
}
