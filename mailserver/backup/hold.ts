/**
 * Holds a running box's mail still, by hard links: the state of all its folders at one moment.
 *
 * A message's file never changes in a Maildir; it is only made, renamed (when its flags change) and removed, and each of
 * these changes the time stamp of its directory. All directories are linked one after the other; when their stamps are
 * then still what they were before each was read, nothing moved in between, so all of what was linked was there at one
 * moment: a message that is moved from folder to folder meanwhile is in the one or in the other, never in none. In
 * directories that did change, what differs is linked again: looking once more must cost less than a change in a large
 * folder, or a box in use is never held.
 */
import { constants } from "node:fs";
import { link, mkdir, open, readdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BackupFault } from "./fault.ts";
import { absent, foldersOf, PLACES } from "./maildir.ts";

export interface HoldOptions {
  /** The Maildir. */
  readonly maildir: string;
  /** Where the links go, on the same file system; must not exist. */
  readonly target: string;
  /** Directories of the folders wanted; all by default. */
  readonly folders?: readonly string[];
  readonly now: () => number;
  readonly pause: (milliseconds: number) => Promise<unknown>;
}

/** The kernel stamps by its tick, 10 ms at most: a younger stamp may stay the same through another change. */
const SETTLED_MS = 25;
/** Short beside the above, so that little of a box's rest is slept through. */
const PAUSE_MS = 8;
/** Each one links what changed during the one before, so this many means that the box is never at rest. */
const ROUNDS = 600;
/** Beside the messages: UIDs, names of keywords, the mark of a folder. What else is there can be rebuilt. */
const RECORDS = ["dovecot-uidlist", "dovecot-keywords", "maildirfolder"];

/** Links everything; answers the number of messages. */
export async function holdMaildir(options: HoldOptions): Promise<number> {
  const { maildir, target, pause } = options;
  const linked = new Map<string, { stamp: string; messages: number }>();
  await mkdir(target, { recursive: true });
  for (let round = 0; round < ROUNDS; round += 1) {
    const stamps = await stampsOf(options);
    for (const gone of [...linked.keys()].filter((place) => !stamps.has(place))) {
      await rm(join(target, gone), { recursive: true, force: true });
      linked.delete(gone);
    }
    const changed = [...stamps].filter(
      ([place, stamp]) => stamp === "" || linked.get(place)?.stamp !== stamp,
    );
    if (changed.length === 0) {
      await keepRecords(options, new Set([...stamps.keys()].map(folderOfPlace)));
      return [...linked.values()].reduce((sum, { messages }) => sum + messages, 0);
    }
    for (const [place, stamp] of changed) {
      const messages = await linkChanges(join(maildir, place), join(target, place));
      linked.set(place, { stamp, messages });
    }
    if (changed.some(([, stamp]) => stamp === "")) await pause(PAUSE_MS);
  }
  throw new BackupFault(
    "The mailbox changes too fast to be saved.",
    "Try again when fewer messages arrive or are moved in it.",
  );
}

const folderOfPlace = (place: string): string => place.replace(/\/?(cur|new)$/, "");

/** The stamp of each `cur` and `new`; empty while it is too young to be relied on. */
async function stampsOf({ maildir, folders, now }: HoldOptions): Promise<Map<string, string>> {
  const stamps = new Map<string, string>();
  // The list of folders is part of what must hold still: a folder that is renamed has new places.
  const listed = folders ?? (await foldersOf(maildir));
  for (const place of listed.flatMap((folder) => PLACES.map((each) => join(folder, each)))) {
    const time = now();
    const found = await stat(join(maildir, place), { bigint: true }).catch(absent(undefined));
    if (found) {
      const settled = time - Number(found.mtimeMs) > SETTLED_MS;
      stamps.set(place, settled ? `${found.ino} ${found.mtimeNs}` : "");
    }
  }
  return stamps;
}

/**
 * Brings the links of one directory up to its files, by name: a Maildir never gives a name to another message.
 * A file that is gone by then has changed the directory's stamp.
 */
async function linkChanges(source: string, target: string): Promise<number> {
  await mkdir(target, { recursive: true });
  const held = new Set(await readdir(target));
  const names = (await readdir(source).catch(absent<string[]>([]))).filter((name) => !name.startsWith("."));
  for (const name of names)
    if (!held.delete(name)) await link(join(source, name), join(target, name)).catch(absent(undefined));
  for (const gone of held) await rm(join(target, gone));
  return names.length;
}

/** Copies what belongs to the folders. They may be newer than the messages, which does no harm. */
async function keepRecords({ maildir, target }: HoldOptions, folders: ReadonlySet<string>): Promise<void> {
  for (const folder of folders) {
    await mkdir(join(target, folder, "tmp"), { recursive: true });
    for (const name of RECORDS) {
      const text = await contentOf(join(maildir, folder, name));
      // A line that is being written is left out.
      if (text !== undefined)
        await writeFile(join(target, folder, name), text.slice(0, text.lastIndexOf("\n") + 1));
    }
  }
  const subscribed = folders.has("") ? await contentOf(join(maildir, "subscriptions")) : undefined;
  if (subscribed !== undefined) await writeFile(join(target, "subscriptions"), subscribed);
}

/** Of a file that is one: a box that is broken into may have put a link there, or a pipe on which one would wait for ever. */
async function contentOf(path: string): Promise<string | undefined> {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  const file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK).catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ELOOP") return undefined;
    return absent(undefined)(error);
  });
  if (file === undefined) return undefined;
  try {
    return (await file.stat()).isFile() ? await file.readFile("utf8") : undefined;
  } finally {
    await file.close();
  }
}
