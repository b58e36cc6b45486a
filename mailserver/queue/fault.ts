/** What went wrong, in words. */
export function faultText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What `work` gives; undefined when it throws. */
export function orNothing<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

/** The extended code of an error of SQLite (https://sqlite.org/rescode.html); undefined for any other. */
export function sqliteCode(error: unknown): number | undefined {
  const code = error instanceof Error && "errcode" in error ? error.errcode : undefined;
  return typeof code === "number" ? code : undefined;
}

/** SQLITE_FULL, and the I/O errors that a full disk ends in under WAL: of a write, and of memory that is shared by a file. */
const FULL = [13, 778, 4874];

export function isFullForSqlite(error: unknown): boolean {
  const code = sqliteCode(error);
  return code !== undefined && FULL.includes(code);
}

const SQLITE_CORRUPT = 11;
/** The read of a page failed, or gave less than a page. */
const READ_FAILED = [266, 522];

/** SQLite has undone the transaction by itself, as after some faults of the disk: nothing may be written in it any more. */
export class TransactionUndone extends Error {
  override readonly name = "TransactionUndone";

  constructor() {
    super("the transaction is undone already");
  }
}

/** Whether what went wrong with reading an item is its own fault, and not one of the database that may pass, as a lock. */
export function isOfItem(error: unknown): boolean {
  if (error instanceof TransactionUndone) return false;
  const code = sqliteCode(error);
  // The first byte is what kind of error it is.
  return code === undefined || (code & 0xff) === SQLITE_CORRUPT || READ_FAILED.includes(code);
}
