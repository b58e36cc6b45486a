import { closeSync, fsyncSync, openSync } from "node:fs";

/** The names in a folder must survive a power cut as well as the files' content. */
export function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
