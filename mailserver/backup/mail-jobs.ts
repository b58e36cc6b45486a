/** The jobs that have a box's volume to write to: one holds its mail still, one puts mail back into it. */
import { chmod, cp, lstat, mkdir, readdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { BackupFault } from "./fault.ts";
import { directoryOf } from "./folder-name.ts";
import { holdMaildir } from "./hold.ts";
import type { Event, Job } from "./jobs.ts";
import { absent } from "./maildir.ts";
import { ACTIVE, mergeMaildir, mergeScripts, scriptsOf } from "./merge.ts";
import { fromJson } from "./restic.ts";
import { holdOf, restoredOf, scratchOf } from "./scratch.ts";

/**
 * Of a job that has the box's volume to write to, and neither repository nor secret. While it works there, so may the
 * box: one that is broken into could have it follow a link to anything that it has.
 */
export interface MailTools {
  readonly home: string;
  readonly emit: (event: Event) => void;
  readonly now: () => number;
  readonly pause: (milliseconds: number) => Promise<unknown>;
  /** Lets the group of a path's owner read all below it. */
  readonly share: (path: string) => Promise<unknown>;
  /** Makes everything durable that was written below a path. */
  readonly sync: (path: string) => Promise<unknown>;
  /** What is said to it when the other job has done its part: JSON; nothing, when it has not. */
  readonly word: () => Promise<string>;
}

/** What `merge` is told of the snapshot that was put there. */
const Fetched = z.object({
  id: z.string(),
  time: z.string(),
  folder: z.string().optional(),
  before: z.string().optional(),
});

/** Holds the mail still until it is told that the snapshot was taken. */
export async function hold(job: Job, tools: MailTools): Promise<void> {
  const { home, emit, now, pause, share, word } = tools;
  await rm(scratchOf(home), { recursive: true, force: true });
  try {
    const folders = job.folder === undefined ? {} : { folders: [await presentFolder(home, job.folder)] };
    const target = join(holdOf(home), "Maildir");
    const messages = await holdMaildir({ maildir: join(home, "Maildir"), target, ...folders, now, pause });
    if (job.folder === undefined) await holdScripts(home, holdOf(home));
    // The job that saves it is another user, of this one's group; in which nobody else is.
    await share(scratchOf(home));
    await chmod(home, 0o710);
    emit({ kind: "held", messages, files: await filesBelow(holdOf(home)) });
    await word();
  } finally {
    await rm(scratchOf(home), { recursive: true, force: true });
  }
}

/** In a box's volume: it has what was saved before its host was made. */
const RESTORED = ".restored";

/** Has the other job ask for it, then puts what a snapshot has and the box has not back into the box. */
export async function merge(_job: Job, { home, emit, sync, word }: MailTools): Promise<void> {
  const target = restoredOf(home);
  await rm(scratchOf(home), { recursive: true, force: true });
  try {
    await mkdir(target, { recursive: true });
    const mark = join(home, RESTORED);
    emit({ kind: "ready", restored: await lstat(mark).then(() => true, absent(false)) });
    const said = Fetched.safeParse(fromJson(await word()));
    if (!said.success) return;
    const { id, time, folder, before } = said.data;
    const saved = join(target, "Maildir");
    if (
      folder !== undefined &&
      !(await stat(join(saved, directoryOf(folder), "cur")).catch(absent(undefined)))
    )
      throw new BackupFault(
        `The snapshot ${id} has no folder ${folder}.`,
        "Take an earlier one: --snapshot ID.",
      );
    // What becomes visible in the box is on disk by then.
    await sync(target);
    const merged = await mergeMaildir(saved, join(home, "Maildir"));
    if (folder === undefined) await mergeScripts(target, home);
    // Last, since one that broke off is done again.
    if (folder === undefined && before !== undefined) await writeFile(mark, "", { flag: "wx" });
    await sync(home);
    emit({ kind: "restored", id, time, ...merged });
  } finally {
    await rm(scratchOf(home), { recursive: true, force: true });
  }
}

async function presentFolder(home: string, folder: string): Promise<string> {
  const directory = directoryOf(folder);
  if (await stat(join(home, "Maildir", directory)).catch(absent(undefined))) return directory;
  throw new BackupFault(
    `The mailbox has no folder ${folder}.`,
    "Write it as a mail program shows it, levels with `/`.",
  );
}

/** As restic counts them. */
async function filesBelow(path: string): Promise<number> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).length;
}

async function holdScripts(home: string, hold: string): Promise<void> {
  const scripts = (await scriptsOf(join(home, "sieve"))).map((name) => join("sieve", name));
  for (const name of [...scripts, ACTIVE])
    await cp(join(home, name), join(hold, name), { verbatimSymlinks: true }).catch(absent(undefined));
}
