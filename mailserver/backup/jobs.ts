/** What can be asked of the backup of one box: save it, list its snapshots, put one back, hand one out, let all go. */
import { once } from "node:events";
import { PassThrough, type Writable } from "node:stream";
import { extract } from "tar-stream";
import { z } from "zod";
import type { BackupSettings } from "../contract.ts";
import { BackupFault } from "./fault.ts";
import { directoryOf } from "./folder-name.ts";
import { messageAt, toMbox } from "./mbox.ts";
import type { Merged } from "./merge.ts";
import { EXIT, fromJson, type Restic } from "./restic.ts";
import { holdOf, restoredOf } from "./scratch.ts";
import { shareRepository } from "./share.ts";
import {
  chooseSnapshot,
  folderOfSnapshot,
  isPart,
  type Snapshot,
  Snapshots,
  tagOf,
  tagsOf,
} from "./snapshots.ts";

/** What a job says, one JSON line each. */
export type Event =
  | { kind: "progress"; share: number }
  | { kind: "held"; messages: number; files: number }
  | { kind: "ready"; restored: boolean }
  | { kind: "fetched"; id: string; time: string; folder?: string | undefined; before?: string | undefined }
  | { kind: "saved"; id: string; messages: number; entries?: number; bytes: number; addedBytes: number }
  | {
      kind: "snapshot";
      id: string;
      time: string;
      folder: string | undefined;
      part: boolean;
      bytes: number | undefined;
    }
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
  /** How many are held. */
  readonly messages?: number | undefined;
  /** The same of all files. */
  readonly files?: number | undefined;
  /** Asks for the latest snapshot from before that time, where there is one. */
  readonly before?: string | undefined;
  /** Let no snapshot go. */
  readonly keepAll?: boolean;
}

/** What limits a job that is about all people. */
export type Limits = Pick<Job, "before" | "keepAll">;

/** Of a job that has the repository and its password. */
export interface Tools {
  readonly restic: Restic;
  readonly settings: BackupSettings;
  /** Where the box's volume is. */
  readonly home: string;
  readonly emit: (event: Event) => void;
  readonly out: Writable;
}

/**
 * Long enough for a repository at the other end of the world, short enough for who waits before the screen. Of what takes
 * no lock: others may have it for longer.
 */
const ANSWER_MS = 30_000;

/** Takes a snapshot of what is held, and lets go of those that nobody asks to keep. */
export async function save(job: Job, tools: Tools): Promise<void> {
  const { restic, home, emit } = tools;
  await openRepository(tools);
  const tag = tagOf(job.folder);
  const taken = (await snapshotsOf(job.uid, restic)).filter(({ tags }) => tags.includes(tag));
  const parent = taken.at(-1);
  const told = watch(emit);
  const code = await restic.run({
    // Links have a new ctime, the file behind them has not changed. What is on another file system is not the box's: a
    // folder may become a link while it is read.
    args: [
      ...["backup", "--json", "--ignore-ctime", "--one-file-system", "--host", job.uid],
      ...["--tag", tagsOf(job.folder, job.files), ...(parent ? ["--parent", parent.id] : []), holdOf(home)],
    ],
    onLine: told.line,
    accept: [EXIT.incomplete],
  });
  const done = told.summary();
  if (code === EXIT.incomplete || done.total_files_processed < (job.files ?? 0))
    throw new BackupFault(
      `Not all of the mail could be read: the snapshot ${done.snapshot_id.slice(0, 8)} lacks some of it.`,
      "Run it again. If it stays so, check the disk of the host.",
    );
  emit({
    kind: "saved",
    id: done.snapshot_id.slice(0, 8),
    messages: job.messages ?? 0,
    bytes: done.total_bytes_processed,
    addedBytes: done.data_added,
  });
  if (!job.keepAll) await letGo({ host: job.uid, tag, parts: taken.filter(isPart) }, tools);
}

/** Snapshots of one kind. */
interface Kind {
  readonly host: string;
  readonly tag: string;
  /** Those that are no whole ones: there is a later one that is. */
  readonly parts?: readonly Snapshot[];
}

/** Lets go of the snapshots that nobody asks to keep. A part takes no whole one's place among those that are kept. */
export async function letGo({ host, tag, parts = [] }: Kind, { restic, settings }: Tools): Promise<void> {
  const keep = Object.entries(settings.keep).filter(([, count]) => count > 0);
  if (keep.length === 0) return;
  const kept = keep.flatMap(([unit, count]) => [`--keep-${unit}`, String(count)]);
  if (parts.length > 0) await restic.run({ args: ["forget", "--quiet", ...parts.map(({ id }) => id)] });
  await restic.run({
    args: ["forget", "--quiet", "--prune", "--host", host, "--tag", tag, "--group-by", "host", ...kept],
  });
}

/** Tells each snapshot of the box, the oldest first. */
export async function list(job: Job, { restic, emit }: Tools): Promise<void> {
  for (const each of await snapshotsOf(job.uid, restic)) {
    emit({
      ...{ kind: "snapshot", id: each.short_id, time: each.time, folder: folderOfSnapshot(each) },
      ...{ part: isPart(each), bytes: each.summary?.total_bytes_processed },
    });
  }
}

/** Puts a snapshot, or a folder of it, where the other job takes it from. */
export async function fetch(job: Job, { restic, home, emit }: Tools): Promise<void> {
  const { found, path } = await chosen(job, restic);
  const folder = job.folder ?? folderOfSnapshot(found);
  const include = folder === undefined ? [] : folderPatterns(folder).flatMap((each) => ["--include", each]);
  await restic.run({
    // The repository can't be written to here, so there is no lock: what another job lets go meanwhile makes this one
    // fail, and the next one does not.
    args: [
      ...["restore", "--json", "--no-lock", `${found.id}:${path}`, "--target", restoredOf(home)],
      ...include,
    ],
    onLine: watch(emit).line,
  });
  emit({ kind: "fetched", id: found.short_id, time: found.time, folder, before: job.before });
}

/** Writes a snapshot as a tar archive, `Maildir/` and `sieve/` at its top; or its messages as an mbox. */
export async function exportBox(job: Job, { restic, emit, out }: Tools): Promise<void> {
  const { found, path } = await chosen(job, restic);
  // As with `fetch`: a lock that a lost host left must not keep anybody from their mail.
  const dump = (into: Writable) =>
    restic.run({ args: ["dump", "--no-lock", "--archive", "tar", `${found.id}:${path}`, "/"], into });
  if (job.mbox) {
    const archive = new PassThrough();
    const reading = writeMbox(archive.pipe(extract()), out, job.folder);
    await Promise.all([dump(archive).then(() => archive.end()), reading]);
  } else await dump(out);
  emit({ kind: "exported", id: found.short_id, time: found.time });
}

/** Removes all snapshots of a mailbox, and what only they had. */
export async function forget({ uid }: Job, tools: Tools): Promise<void> {
  const { restic, emit } = tools;
  const ids = (await snapshotsOf(uid, restic)).map(({ id }) => id);
  if (ids.length > 0) {
    await removeStaleLocks(tools);
    await restic.run({ args: ["forget", "--quiet", "--prune", ...ids] });
  }
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
      await writeAll(toMbox({ ...at, received, text: entry as AsyncIterable<Buffer> }), out);
    }
  }
}

async function writeAll(pieces: AsyncIterable<Buffer>, out: Writable): Promise<void> {
  for await (const piece of pieces) if (!out.write(piece)) await once(out, "drain");
}

async function chosen(
  { from, uid: own, snapshot, folder, before }: Job,
  restic: Restic,
): Promise<{ found: Snapshot; path: string }> {
  const uid = from ?? own;
  const found = chooseSnapshot(await snapshotsOf(uid, restic), { uid, id: snapshot, folder, before });
  return { found, path: found.paths[0] ?? "/" };
}

/** The snapshots of a host, the oldest first. */
export async function snapshotsOf(host: string, restic: Restic): Promise<Snapshot[]> {
  let text = "";
  await restic.run({
    args: ["snapshots", "--json", "--no-lock", "--host", host],
    timeoutMs: ANSWER_MS,
    onLine: (line) => {
      text += line;
    },
  });
  return Snapshots.parse(fromJson(text)).toSorted((one, other) => one.time.localeCompare(other.time));
}

/** Makes the repository where there is none, and never where there is one that doesn't open. */
export async function openRepository(tools: Tools): Promise<void> {
  const { restic, settings } = tools;
  if ((await removeStaleLocks(tools)) === EXIT.absent)
    await restic.run({ args: ["init"], timeoutMs: ANSWER_MS });
  await shareRepository(settings.repository);
}

/**
 * Nothing else does it: whoever takes a lock asks of no other how old it is. A lock is stale when nobody has renewed it for
 * half an hour (each job has a host name of its own, so that its process is looked for nowhere else); one of a job that
 * works is renewed every five minutes, and stays. This takes none itself.
 */
const removeStaleLocks = ({ restic }: Tools): Promise<number> =>
  restic.run({ args: ["unlock"], timeoutMs: ANSWER_MS, accept: [EXIT.absent] });

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
  total_files_processed: z.int(),
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
