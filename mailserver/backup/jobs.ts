/** What can be asked of the backup of one box: save it, list its snapshots, put one back, hand one out, let all go. */
import { once } from "node:events";
import { cp, mkdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough, type Writable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { extract } from "tar-stream";
import { z } from "zod";
import type { BackupSettings } from "../contract.ts";
import { BackupFault } from "./fault.ts";
import { directoryOf } from "./folder-name.ts";
import { holdMaildir } from "./hold.ts";
import { absent } from "./maildir.ts";
import { messageAt, toMbox } from "./mbox.ts";
import { ACTIVE, type Merged, mergeMaildir, mergeScripts } from "./merge.ts";
import { EXIT, fromJson, type Restic } from "./restic.ts";
import { shareRepository } from "./share.ts";
import { chooseSnapshot, folderOfSnapshot, type Snapshot, Snapshots, tagOf } from "./snapshots.ts";

/** What a job says, one JSON line each. */
export type Event =
  | { kind: "progress"; share: number }
  | { kind: "saved"; id: string; messages: number; entries?: number; bytes: number; addedBytes: number }
  | { kind: "snapshot"; id: string; time: string; folder?: string | undefined; bytes?: number | undefined }
  | ({ kind: "restored"; id: string; time: string } & Merged)
  | { kind: "exported"; id: string; time: string }
  | { kind: "forgotten"; snapshots: number }
  | { kind: "fault"; cause: string; remedy: string };

export interface Job {
  readonly uid: string;
  readonly folder: string | undefined;
  /** The beginning of a snapshot's id; undefined for the latest. */
  readonly snapshot: string | undefined;
  /** Mailbox whose snapshots are meant, when that is another's. */
  readonly from?: string | undefined;
  /** Hand out one mbox rather than an archive. */
  readonly mbox?: boolean;
}

export interface Tools {
  readonly restic: Restic;
  readonly settings: BackupSettings;
  /** Where the box's volume is. */
  readonly home: string;
  readonly emit: (event: Event) => void;
  readonly out: Writable;
  readonly now: () => number;
  readonly pause: (milliseconds: number) => Promise<unknown>;
  /** Makes everything durable that was written below a path. */
  readonly sync: (path: string) => Promise<unknown>;
}

/** Long enough for a repository at the other end of the world, short enough for who waits before the screen. */
const ANSWER_MS = 30_000;

/** In the box's volume, since a hard link stays on its file system. */
const scratch = (home: string): string => join(home, ".backup");

/** Takes a snapshot, and lets go of those that nobody asks to keep. */
export async function save(job: Job, tools: Tools): Promise<void> {
  const { restic, home, emit, now, pause } = tools;
  await openRepository(tools);
  const hold = join(scratch(home), "hold");
  await rm(scratch(home), { recursive: true, force: true });
  const folders = job.folder === undefined ? {} : { folders: [await presentFolder(home, job.folder)] };
  const target = join(hold, "Maildir");
  const messages = await holdMaildir({ maildir: join(home, "Maildir"), target, ...folders, now, pause });
  if (job.folder === undefined) await holdScripts(home, hold);
  const tag = tagOf(job.folder);
  const told = watch(emit);
  await restic.run({
    // Links have a new ctime, the file behind them has not changed.
    args: [
      "backup",
      "--json",
      "--ignore-ctime",
      "--host",
      job.uid,
      "--tag",
      tag,
      "--group-by",
      "host,tags",
      hold,
    ],
    onLine: told.line,
  });
  await rm(scratch(home), { recursive: true, force: true });
  const done = told.summary();
  emit({
    kind: "saved",
    id: done.snapshot_id.slice(0, 8),
    messages,
    bytes: done.total_bytes_processed,
    addedBytes: done.data_added,
  });
  await letGo(job.uid, tools);
}

/** Lets go of the snapshots that nobody asks to keep. */
export async function letGo(host: string, { restic, settings }: Tools): Promise<void> {
  const keep = Object.entries(settings.keep).filter(([, count]) => count > 0);
  if (keep.length === 0) return;
  const kept = keep.flatMap(([unit, count]) => [`--keep-${unit}`, String(count)]);
  await restic.run({
    args: ["forget", "--quiet", "--prune", "--host", host, "--group-by", "host,tags", ...kept],
  });
}

/** Tells each snapshot of the box, the oldest first. */
export async function list(job: Job, { restic, emit }: Tools): Promise<void> {
  for (const each of await snapshotsOf(job.uid, restic)) {
    emit({
      ...{ kind: "snapshot", id: each.short_id, time: each.time },
      ...{ folder: folderOfSnapshot(each), bytes: each.summary?.total_bytes_processed },
    });
  }
}

/** Puts what a snapshot has and the box has not back into the box. */
export async function restore(job: Job, tools: Tools): Promise<void> {
  const { restic, home, emit, sync } = tools;
  const { found, path } = await chosen(job, restic);
  const target = join(scratch(home), "restored");
  await rm(scratch(home), { recursive: true, force: true });
  await mkdir(target, { recursive: true });
  const limit = job.folder ?? folderOfSnapshot(found);
  const include = limit === undefined ? [] : folderPatterns(limit).flatMap((each) => ["--include", each]);
  await restic.run({
    args: ["restore", "--json", `${found.id}:${path}`, "--target", target, ...include],
    onLine: watch(emit).line,
  });
  const saved = join(target, "Maildir");
  if (limit !== undefined && !(await stat(join(saved, directoryOf(limit), "cur")).catch(absent(undefined))))
    throw new BackupFault(
      `The snapshot ${found.short_id} has no folder ${limit}.`,
      "Take an earlier one: --snapshot ID.",
    );
  // What becomes visible in the box is on disk by then.
  await sync(target);
  const merged = await mergeMaildir(saved, join(home, "Maildir"));
  if (limit === undefined) await mergeScripts(target, home);
  await sync(home);
  await rm(scratch(home), { recursive: true, force: true });
  emit({ kind: "restored", id: found.short_id, time: found.time, ...merged });
}

/** Writes a snapshot as a tar archive, `Maildir/` and `sieve/` at its top; or its messages as an mbox. */
export async function exportBox(job: Job, { restic, emit, out }: Tools): Promise<void> {
  const { found, path } = await chosen(job, restic);
  const dump = (into: Writable) =>
    restic.run({ args: ["dump", "--archive", "tar", `${found.id}:${path}`, "/"], into });
  if (job.mbox) {
    const archive = new PassThrough();
    const reading = writeMbox(archive.pipe(extract()), out, job.folder);
    await Promise.all([dump(archive).then(() => archive.end()), reading]);
  } else await dump(out);
  emit({ kind: "exported", id: found.short_id, time: found.time });
}

/** Removes all snapshots of a mailbox, and what only they had. */
export async function forget({ uid }: Job, { restic, emit }: Tools): Promise<void> {
  const ids = (await snapshotsOf(uid, restic)).map(({ id }) => id);
  if (ids.length > 0) await restic.run({ args: ["forget", "--quiet", "--prune", ...ids] });
  emit({ kind: "forgotten", snapshots: ids.length });
}

/** The messages of an archive of a box, of all folders or of one. */
async function writeMbox(
  archive: ReturnType<typeof extract>,
  out: Writable,
  folder: string | undefined,
): Promise<void> {
  for await (const entry of archive) {
    const at = entry.header.type === "file" ? messageAt(entry.header.name) : undefined;
    if (at === undefined || (folder !== undefined && at.directory !== directoryOf(folder))) entry.resume();
    else {
      const received = entry.header.mtime ?? new Date(0);
      if (!out.write(toMbox({ ...at, received, text: await buffer(entry) }))) await once(out, "drain");
    }
  }
}

async function chosen(
  { from, uid: own, snapshot, folder }: Job,
  restic: Restic,
): Promise<{ found: Snapshot; path: string }> {
  const uid = from ?? own;
  const found = chooseSnapshot(await snapshotsOf(uid, restic), { uid, id: snapshot, folder });
  return { found, path: found.paths[0] ?? "/" };
}

/** The snapshots of a host, the oldest first. */
export async function snapshotsOf(host: string, restic: Restic): Promise<Snapshot[]> {
  let text = "";
  await restic.run({
    args: ["snapshots", "--json", "--host", host],
    timeoutMs: ANSWER_MS,
    onLine: (line) => {
      text += line;
    },
  });
  return Snapshots.parse(fromJson(text)).toSorted((one, other) => one.time.localeCompare(other.time));
}

/** Makes the repository where there is none, and never where there is one that doesn't open. */
export async function openRepository({ restic, settings }: Tools): Promise<void> {
  const code = await restic.run({
    args: ["cat", "config"],
    timeoutMs: ANSWER_MS,
    accept: [EXIT.absent],
  });
  if (code === EXIT.absent) await restic.run({ args: ["init"], timeoutMs: ANSWER_MS });
  await shareRepository(settings.repository);
  // Of processes that are no more, alone.
  await restic.run({ args: ["unlock"], timeoutMs: ANSWER_MS });
}

async function presentFolder(home: string, folder: string): Promise<string> {
  const directory = directoryOf(folder);
  if (await stat(join(home, "Maildir", directory)).catch(absent(undefined))) return directory;
  throw new BackupFault(
    `The mailbox has no folder ${folder}.`,
    "Write it as a mail program shows it, levels with `/`.",
  );
}

async function holdScripts(home: string, hold: string): Promise<void> {
  for (const name of ["sieve", ACTIVE])
    await cp(join(home, name), join(hold, name), { recursive: true, verbatimSymlinks: true }).catch(
      absent(undefined),
    );
}

/** What of a snapshot belongs to one folder, without the folders below it. */
function folderPatterns(folder: string): string[] {
  const directory = directoryOf(folder).replaceAll(/[\\*?[\]]/g, "\\$&");
  return ["cur", "new", "dovecot-uidlist", "dovecot-keywords"].map((name) =>
    ["/Maildir", directory, name].filter((part) => part !== "").join("/"),
  );
}

const Status = z.object({ message_type: z.literal("status"), percent_done: z.number().optional() });
const Summary = z.object({
  message_type: z.literal("summary"),
  snapshot_id: z.string(),
  total_bytes_processed: z.int(),
  data_added: z.int(),
});

/** Passes restic's progress on in steps of a percent, and keeps its summary. */
export function watch(emit: (event: Event) => void) {
  let told = -1;
  let summary: z.infer<typeof Summary> | undefined;
  return {
    line(text: string): void {
      const message = fromJson(text);
      const status = Status.safeParse(message);
      const percent = Math.floor((status.data?.percent_done ?? 0) * 100);
      if (status.success && percent > told) {
        told = percent;
        emit({ kind: "progress", share: percent / 100 });
      }
      summary = Summary.safeParse(message).data ?? summary;
    },
    summary(): z.infer<typeof Summary> {
      if (summary) return summary;
      throw new BackupFault(
        "restic took no snapshot.",
        "See what it says with `restic version`: 0.17 is needed.",
      );
    },
  };
}
