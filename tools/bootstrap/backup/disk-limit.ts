/** Lets a box have what disk it will while mail is put back into it, and limits it again whatever is killed meanwhile. */
import type Docker from "dockerode";
import { unlessMissing } from "../../docker-plugin/errors.ts";
import { type InForce, type Limit, limitDisk } from "../../docker-plugin/limit-disk.ts";
import { atWork } from "./busy.ts";
import { lookAtMail, mailVolume, type Place } from "./job.ts";

/** A box's disk, and what is noted of its limit while that is away. */
export interface BoxDisk {
  /** Looks at the limit, or sets it; undefined where the guard is gone, and with it who could. */
  limit(limit?: Limit): Promise<InForce | undefined>;
  noted(): Promise<Limit | undefined>;
  note(limit: Limit): Promise<void>;
  forget(): Promise<void>;
}

/**
 * Has the host's file system let the box have what it will meanwhile: for a while all of a snapshot lies beside the mail,
 * and some of it may stay there, however small the quota is by now. The limit is noted before it goes: the kernel has
 * forgotten it when this is killed, or loses the host.
 */
export async function withoutLimit(disk: BoxDisk, work: () => Promise<void>): Promise<void> {
  const noted = await disk.noted();
  const now = await disk.limit();
  // One that is in force is younger than what a killed one noted: an update may have changed it.
  const wanted = now?.limited && now.kib > 0 ? { kib: now.kib, files: now.files } : noted;
  if (!now?.limited || !wanted) return work();
  if (wanted !== noted) {
    await disk.note(wanted);
    await disk.limit({ kib: 0, files: 0 });
  }
  try {
    await work();
  } catch (error) {
    // Of why it can't be set again there is nothing to tell that this doesn't: the next one does it.
    await limitAgain(disk).catch(() => {});
    throw error;
  }
  await limitAgain(disk);
}

/** Sets the limit that was noted, unless another is in force. False where it can't: then it stays noted. */
export async function limitAgain(disk: BoxDisk): Promise<boolean> {
  const noted = await disk.noted();
  const now = noted && (await disk.limit());
  if (!noted || !now?.limited) return false;
  if (now.kib === 0) await disk.limit(noted);
  await disk.forget();
  return true;
}

/** What a note is: the labels of a volume that has nothing in it, which outlasts whatever is killed, and goes with a purge. */
const KIND = "limit";
const LIMIT = "io.semail.limit";
const noteOf = (prefix: string, id: string): string => `${prefix}-limit-${id}`;

/** The disk of the box whose mail is in that volume. */
export async function diskOf(place: Place, id: string): Promise<BoxDisk> {
  return openDisk(place, id, (await lookAtMail(place, id)).owner);
}

export function openDisk(
  { docker, prefix }: Pick<Place, "docker" | "prefix">,
  id: string,
  user: number,
): BoxDisk {
  const box = { guard: `${prefix}-guard`, volume: mailVolume(prefix, id), user };
  const note = docker.getVolume(noteOf(prefix, id));
  const forget = async (): Promise<void> => void (await unlessMissing(note.remove()));
  return {
    limit: (limit) => unlessMissing(limitDisk(docker, box, limit)),
    noted: async () => parseNote((await unlessMissing(note.inspect()))?.Labels)?.limit,
    async note({ kib, files }) {
      // The engine would keep the labels of one that is there.
      await forget();
      const labels = { "io.semail.stack": prefix, "io.semail.kind": KIND };
      const Labels = { ...labels, [LIMIT]: `${user} ${kib} ${files}` };
      await docker.createVolume({ Name: noteOf(prefix, id), Labels });
    },
    forget,
  };
}

/** Whose limit it is, and what it was; undefined for labels of anything else. Pure. */
export function parseNote(
  labels: Record<string, string> | null | undefined,
): { user: number; limit: Limit } | undefined {
  const [, user, kib, files] = /^(\d{1,10}) (\d{1,15}) (\d{1,15})$/.exec(labels?.[LIMIT] ?? "") ?? [];
  if (user === undefined) return undefined;
  return { user: Number(user), limit: { kib: Number(kib), files: Number(files) } };
}

/** Limits all boxes again whose restore was cut off, and not those that one works on; answers their mailboxes. */
export async function limitAllAgain(docker: Docker, prefix: string): Promise<string[]> {
  const label = [`io.semail.stack=${prefix}`, `io.semail.kind=${KIND}`];
  const { Volumes } = await docker.listVolumes({ filters: { label } });
  const limited: string[] = [];
  for (const { Name, Labels } of Volumes ?? []) {
    const id = Name.slice(noteOf(prefix, "").length);
    const noted = parseNote(Labels);
    if (!noted || (await atWork({ docker, prefix }, id))) continue;
    if (await limitAgain(openDisk({ docker, prefix }, id, noted.user))) limited.push(id);
  }
  return limited;
}
