/** A file whose content is in memory, and perhaps not on the disk, although nobody would be told so again. */
import { closeSync, fdatasyncSync, openSync, readSync, writeSync } from "node:fs";

const PIECE = 65_536;

/**
 * Writes a file over itself and waits until the disk has it; nothing where there is none, or nothing in it. What the system once failed to
 * write it may take for written: this makes it try. Needs no room. Nobody else may write to the file meanwhile. Throws when
 * the disk doesn't take it.
 */
export function writeAgain(path: string): void {
  const file = openIfThere(path);
  if (file === undefined) return;
  try {
    const piece = Buffer.alloc(PIECE);
    let at = 0;
    for (let length = -1; length !== 0; ) {
      length = readSync(file, piece, 0, PIECE, at);
      if (length > 0) at += writeSync(file, piece, 0, length, at);
    }
    if (at > 0) fdatasyncSync(file);
  } finally {
    closeSync(file);
  }
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, "r+");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
