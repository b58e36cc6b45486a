/** The snapshots of a box: what restic tells of them, and which one is meant. Pure. */
import { z } from "zod";
import { BackupFault } from "./fault.ts";

/** One of `restic snapshots --json`. */
export const Snapshot = z.object({
  id: z.string().regex(/^[0-9a-f]{64}$/),
  short_id: z.string(),
  time: z.string(),
  hostname: z.string(),
  tags: z.array(z.string()).default([]),
  paths: z.array(z.string()).min(1),
  summary: z
    .object({ total_files_processed: z.int(), total_bytes_processed: z.int() })
    .optional()
    .catch(undefined),
});
export type Snapshot = z.infer<typeof Snapshot>;
export const Snapshots = z
  .array(Snapshot)
  .nullable()
  .transform((list) => list ?? []);

const WHOLE = "mailbox";
const FOLDER = "folder=";
const FILES = "files=";

/** The tag of a snapshot of the whole box, or of one folder. */
export function tagOf(folder: string | undefined): string {
  // Restic parts tags at commas.
  return folder === undefined ? WHOLE : `${FOLDER}${encodeURIComponent(folder)}`;
}

/** The same, with the number of files that were held for it. */
export const tagsOf = (folder: string | undefined, files: number | undefined): string =>
  [tagOf(folder), ...(files === undefined ? [] : [`${FILES}${files}`])].join(",");

/**
 * Whether it lacks some of what was held for it, as when that was let go while restic read: it takes its snapshot all the
 * same. Told by what the snapshot itself says, it holds whoever is killed, and needs nobody's lock on the repository.
 */
export function isPart({ tags, summary }: Pick<Snapshot, "tags" | "summary">): boolean {
  const held = tags.find((each) => each.startsWith(FILES))?.slice(FILES.length);
  return held !== undefined && (summary?.total_files_processed ?? 0) < Number(held);
}

/** The folder that a snapshot is limited to. */
export function folderOfSnapshot({ tags }: Pick<Snapshot, "tags">): string | undefined {
  const tag = tags.find((each) => each.startsWith(FOLDER));
  return tag === undefined ? undefined : decodeURIComponent(tag.slice(FOLDER.length));
}

/**
 * The latest one from before that time; where there is none, the latest. A host that was lost is made anew without mail,
 * and what is saved of it before the mail is put back is younger than what is to be put back.
 */
export function latest<S extends Pick<Snapshot, "time">>(
  list: readonly S[],
  before: string | undefined,
): S | undefined {
  const sorted = list.toSorted((one, other) => Date.parse(one.time) - Date.parse(other.time));
  const earlier =
    before === undefined ? [] : sorted.filter(({ time }) => Date.parse(time) < Date.parse(before));
  return earlier.at(-1) ?? sorted.at(-1);
}

/** The snapshot with that id, or else the latest one that has all that is wanted, from `before` where there is one. */
export function chooseSnapshot(
  list: readonly Snapshot[],
  wanted: { uid: string; id: string | undefined; folder: string | undefined; before?: string | undefined },
): Snapshot {
  const { uid, id, folder, before } = wanted;
  const remedy = `\`npm run backup -- list ${uid}\` shows what there is.`;
  const fits = list.filter((each) => {
    const limit = folderOfSnapshot(each);
    return limit === undefined || limit === folder;
  });
  if (id === undefined) {
    const whole = fits.filter((each) => !isPart(each));
    const found = latest(whole, before);
    if (found) return found;
    throw new BackupFault(
      `There is no snapshot of ${uid} that has ${folder ?? "the whole mailbox"}.`,
      remedy,
    );
  }
  const named = list.filter((each) => each.id.startsWith(id));
  const [only] = named;
  if (named.length !== 1 || !only)
    throw new BackupFault(
      `${named.length === 0 ? "No snapshot" : "More than one snapshot"} of ${uid} is ${id}.`,
      remedy,
    );
  if (!fits.includes(only))
    throw new BackupFault(`Snapshot ${id} has the folder ${folderOfSnapshot(only)} alone.`, remedy);
  return only;
}
