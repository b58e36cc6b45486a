/**
 * Puts saved mail back into a box that may be running. A message that is there stays as it is; one that is missing is
 * linked into its folder in one step, as every delivery to a Maildir is, and Dovecot gives it a UID of its own.
 */
import { access, link, lstat, mkdir, readdir, readlink, rename, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { folderOf } from "./folder-name.ts";
import {
  absent,
  foldersOf,
  identityOf,
  KEYWORDS,
  keywordsOf,
  type Message,
  messagesOf,
  translateName,
} from "./maildir.ts";

export interface Merged {
  /** Messages that were put back. */
  readonly added: number;
  /** Messages that were there. */
  readonly kept: number;
  /** Names of the folders that were gone. */
  readonly folders: readonly string[];
  /** Keywords of messages that the folder has no room or no name for. */
  readonly keywordsLost: number;
}

/** The saved messages that are in neither place of the folder, whatever their flags are now. Pure. */
export function missingOf(saved: readonly Message[], there: readonly Message[]): Message[] {
  const known = new Set(there.map(({ name }) => identityOf(name)));
  return saved.filter(({ name }) => !known.has(identityOf(name)));
}

/** Merges the Maildir `saved` into `maildir`, on the same file system; `saved` is used up. */
export async function mergeMaildir(saved: string, maildir: string): Promise<Merged> {
  let sum: Merged = { added: 0, kept: 0, folders: [], keywordsLost: 0 };
  // A box that never ran has none yet; its INBOX is no folder that was gone.
  for (const place of ["tmp", "cur", "new"]) await mkdir(join(maildir, place), { recursive: true });
  for (const folder of await foldersOf(saved)) {
    const one = await mergeFolder({
      saved: join(saved, folder),
      folder: join(maildir, folder),
      name: folderOf(folder),
    });
    sum = {
      added: sum.added + one.added,
      kept: sum.kept + one.kept,
      folders: [...sum.folders, ...one.folders],
      keywordsLost: sum.keywordsLost + one.keywordsLost,
    };
  }
  return sum;
}

async function mergeFolder(at: { saved: string; folder: string; name: string }): Promise<Merged> {
  const { saved, folder } = at;
  const messages = await messagesOf(saved);
  if (!(await exists(folder)) && (await installFolder(saved, folder)))
    return { added: messages.length, kept: 0, folders: [at.name], keywordsLost: 0 };
  const missing = missingOf(messages, await messagesOf(folder));
  // A folder that never had labels, as an INBOX made anew, has no letters of its own that could be others.
  if (missing.length > 0)
    await linked(join(saved, KEYWORDS), join(folder, KEYWORDS)).catch(absent(undefined));
  const [from, to] = [await keywordsOf(saved), await keywordsOf(folder)];
  let added = 0;
  let keywordsLost = 0;
  for (const { place, name } of missing) {
    const target = translateName(name, from, to);
    // Never over a file that is there, as a rename would.
    if (await linked(join(saved, place, name), join(folder, place, target.name))) {
      added += 1;
      keywordsLost += target.lost;
    }
  }
  return { added, kept: messages.length - added, folders: [], keywordsLost };
}

/** A folder that is gone comes back in one step and with its UIDs, so that mail programs know it again. */
async function installFolder(saved: string, folder: string): Promise<boolean> {
  for (const place of ["tmp", "cur", "new"]) await mkdir(join(saved, place), { recursive: true });
  await writeFile(join(saved, "maildirfolder"), "");
  try {
    await rename(saved, folder);
    return true;
  } catch (error) {
    // Made by its person in this moment.
    if (error instanceof Error && "code" in error && /^(EEXIST|ENOTEMPTY)$/.test(String(error.code)))
      return false;
    throw error;
  }
}

/** Puts the Sieve scripts back that are missing, and the choice of the active one where there is none. */
export async function mergeScripts(saved: string, home: string): Promise<void> {
  const names = await scriptsOf(join(saved, "sieve"));
  if (names.length > 0) await mkdir(join(home, "sieve"), { recursive: true });
  for (const name of names) await linked(join(saved, "sieve", name), join(home, "sieve", name));
  const active = await readlink(join(saved, ACTIVE)).catch(absent(undefined));
  const there = await lstat(join(home, ACTIVE)).catch(absent(undefined));
  if (active !== undefined && !there) await symlink(active, join(home, ACTIVE));
}

/** Names of the scripts in a folder. Pigeonhole also has a directory there, `tmp`, from the first login on. */
export async function scriptsOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(absent([]));
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
}

/** The link that says which script is active. */
export const ACTIVE = ".dovecot.sieve";

const exists = (path: string): Promise<boolean> => access(path).then(() => true, absent(false));

/** False when something is there under that name. */
async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  }
}
