/** A log of SQLite's whose content is in memory, and perhaps not on the disk, although nobody would be told so again. */
import { closeSync, fdatasyncSync, openSync, readSync, writeSync } from "node:fs";

/** https://sqlite.org/fileformat2.html#the_write_ahead_log: bytes, and where something stands in a head. */
const LOG_HEAD = { bytes: 32, pageBytes: 8, salts: 16 };
const FRAME_HEAD = { bytes: 24, salts: 8 };
const SALTS_BYTES = 8;
/** The largest page. */
const MOST_BYTES = 65_536;

/**
 * Writes a log over itself and waits until the disk has it; nothing where there is none, or nothing in it. What the system once
 * failed to write it may take for written: this makes it try. Nobody else may write to the file meanwhile.
 * Throws when the disk doesn't take it. What lies behind its end is left over from logs before, and not even read: a fault of
 * the disk there is none of the log's.
 */
export function writeAgain(path: string): void {
  const file = openIfThere(path);
  if (file === undefined) return;
  try {
    let end = 0;
    for (const piece of logOf(file)) end = writeAll(file, piece, end);
    if (end > 0) fdatasyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** The head, and frame by frame what belongs to it: each buffer is good until the next. */
function* logOf(file: number): Generator<Buffer> {
  const head = Buffer.alloc(LOG_HEAD.bytes);
  if (!isRead(file, head, 0)) return;
  yield head;
  const pageBytes = head.readUInt32BE(LOG_HEAD.pageBytes);
  // SQLite takes that for no log, either.
  if (pageBytes === 0 || pageBytes > MOST_BYTES) return;
  const frame = Buffer.alloc(FRAME_HEAD.bytes + pageBytes);
  for (let at = head.length; isRead(file, frame, at) && isOf(head, frame); at += frame.length) yield frame;
}

/** Each log has salts of its own. */
function isOf(head: Buffer, frame: Buffer): boolean {
  const salts = head.subarray(LOG_HEAD.salts, LOG_HEAD.salts + SALTS_BYTES);
  return salts.equals(frame.subarray(FRAME_HEAD.salts, FRAME_HEAD.salts + SALTS_BYTES));
}

/** Whether the file has so much there. */
function isRead(file: number, into: Buffer, at: number): boolean {
  return readSync(file, into, 0, into.length, at) === into.length;
}

/** Gives where it ends. */
function writeAll(file: number, piece: Buffer, at: number): number {
  for (let done = 0; done < piece.length; ) {
    done += writeSync(file, piece, done, piece.length - done, at + done);
  }
  return at + piece.length;
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, "r+");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
