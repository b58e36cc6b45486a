/** Databases with counts, or with what can be fetched again: no fault of theirs keeps a daemon from starting. */
import { mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import type { Log } from "../net/log.ts";
import { orNothing, sqliteCode } from "../queue/fault.ts";

export interface SideFile {
  readonly dir: string;
  readonly name: string;
  /** Whether the disk is waited for at each commit. */
  readonly synchronous: "FULL" | "NORMAL";
  readonly log: Log;
}

type Make<T> = (db: DatabaseSync) => T;

/** SQLITE_CORRUPT and SQLITE_NOTADB (https://sqlite.org/rescode.html). */
const DAMAGED = [11, 26];
/** SQLITE_PERM, READONLY, IOERR, FULL and CANTOPEN: nothing can be written, though it could perhaps be read. */
const UNUSABLE = [3, 8, 10, 13, 14];

/**
 * What `make` makes of the database, which is its to close. A damaged file is set aside and begun anew. Where none can be
 * written, as on a full disk, the database is in memory until the next start, with what the file holds. Both are logged.
 */
export function openSideFile<T>(file: SideFile, make: Make<T>): T {
  mkdirSync(file.dir, { recursive: true });
  const path = join(file.dir, file.name);
  try {
    return opened(path, file, make);
  } catch (error) {
    if (isOf(error, DAMAGED)) return begunAnew(path, file, make, error);
    if (isOf(error, UNUSABLE)) return inMemory(path, file, make, error);
    // Somebody else has it locked, or the fault is ours.
    throw error;
  }
}

function opened<T>(path: string, { synchronous }: SideFile, make: Make<T>): T {
  const db = new DatabaseSync(path);
  try {
    db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${synchronous}`);
    const [found] = db.prepare("PRAGMA quick_check(1)").all();
    if (found?.quick_check !== "ok") throw new Damaged(String(found?.quick_check));
    return make(db);
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Pages that can be read, and don't fit together. */
class Damaged extends Error {
  override readonly name = "Damaged";
  readonly errcode = DAMAGED[0];
}

function begunAnew<T>(path: string, file: SideFile, make: Make<T>, error: unknown): T {
  const aside = `${path}.damaged`;
  try {
    // Its log may stay: SQLite removes one that it finds beside an empty file.
    renameSync(path, aside);
    file.log.error("file.damaged", { path, aside, error });
    return opened(path, file, make);
  } catch (cause) {
    return inMemory(path, file, make, cause);
  }
}

function inMemory<T>(path: string, { log }: SideFile, make: Make<T>, error: unknown): T {
  // The second look needs nothing beside the file, and doesn't see what is in a log.
  const copy =
    orNothing(() => copyOf(path, "mode=ro")) ?? orNothing(() => copyOf(path, "mode=ro&immutable=1"));
  log.error("file.unusable", { path, copied: copy !== undefined, error });
  return make(copy ?? new DatabaseSync(":memory:"));
}

/** `how`: parameters of https://sqlite.org/uri.html. */
function copyOf(path: string, how: string): DatabaseSync {
  const url = pathToFileURL(path);
  url.search = how;
  const db = new DatabaseSync(":memory:");
  try {
    db.prepare("ATTACH ? AS file").run(url.href);
    const made = db.prepare("SELECT type, name, sql FROM file.sqlite_schema WHERE sql IS NOT NULL").all();
    for (const { sql } of made) db.exec(String(sql));
    for (const { type, name } of made) {
      if (type === "table") db.exec(`INSERT INTO main."${name}" SELECT * FROM file."${name}"`);
    }
    db.exec("DETACH file");
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function isOf(error: unknown, kinds: readonly number[]): boolean {
  const code = sqliteCode(error);
  // The first byte is what kind of error it is.
  return code !== undefined && kinds.includes(code & 0xff);
}
