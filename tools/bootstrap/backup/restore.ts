/** Puts a mailbox back from its snapshots: from before its host was made, where it lost that, and the latest. */
import { unlessMissing } from "../../docker-plugin/errors.ts";
import { Fault } from "../fault.ts";
import { restoreBox } from "./box.ts";
import { type Choice, choose, firstAsked, passedOverLine, type Saved } from "./choice.ts";
import type { JobEvent } from "./events.ts";
import { lookAtMail, mailVolume, type Place, runJob } from "./job.ts";

export interface RestoreRequest {
  /** Of the mailbox that it is put into. */
  readonly id: string;
  readonly folder: string | undefined;
  readonly snapshot: string | undefined;
  /** Of the mailbox that was saved, when that is another. */
  readonly from: string | undefined;
  /** The same, as the job has them. */
  readonly limits: readonly string[];
  /** When the host was made; undefined where that is not known. */
  readonly made: Date | undefined;
  readonly onEvent: (event: JobEvent) => void;
  /** Gets a line of what else there is to know. */
  readonly onLine: (line: string) => void;
}

/** Puts back what the mailbox lost with an earlier host, until it has that, and then the latest. */
export async function restoreMailbox(place: Place, request: RestoreRequest): Promise<void> {
  const { id, folder, snapshot, from, limits, made, onEvent, onLine } = request;
  const source = from ?? id;
  const host = from === undefined ? made : undefined;
  // Where there is nothing to put it into, the job itself says so.
  const there = await hasMail(place, id);
  const past = there ? await lookBack(place, { job: id, source, folder, snapshot, host }) : {};
  const { earlier, latest, volume, passedOver }: Past = past;
  const faults: Fault[] = [];
  const put = (which: (restored: boolean | undefined) => readonly string[]): Promise<void> =>
    restoreBox(place, { id, limits: which, onEvent }).catch((error: unknown) => {
      // A folder may be in one of two snapshots alone.
      if (folder === undefined || !(error instanceof Fault)) throw error;
      faults.push(error);
    });
  let has: boolean | undefined;
  await put((restored) => {
    has = restored;
    return [...limits, ...firstAsked(past, restored)];
  });
  const both = has !== true && earlier !== undefined && earlier !== latest;
  if (both) await put(() => limits);
  const [fault] = faults;
  if (fault && faults.length === (both ? 2 : 1)) throw fault;
  if (fault) onLine(`  ${fault.message}`);
  if (has !== true && passedOver && volume) onLine(passedOverLine(source, passedOver, volume));
}

/** Tells of a snapshot from before the mailbox's volume was made, where a later one was handed out. */
export async function tellOfOlder(
  place: Place,
  { id, folder, onLine }: Pick<RestoreRequest, "id" | "folder" | "onLine">,
): Promise<void> {
  const which = { job: id, source: id, folder, snapshot: undefined, host: undefined };
  const { passedOver, volume } = await lookBack(place, which);
  if (passedOver && volume) onLine(passedOverLine(id, passedOver, volume));
}

interface Past extends Choice {
  /** When the volume was made that the snapshots are of; undefined where there is none, or it doesn't say. */
  readonly volume?: Date | undefined;
}

interface Which extends Pick<RestoreRequest, "folder" | "snapshot"> {
  /** Whose mailbox is worked on. */
  readonly job: string;
  /** Whose snapshots are meant. */
  readonly source: string;
  readonly host: Date | undefined;
}

async function lookBack(place: Place, { job, source, folder, snapshot, host }: Which): Promise<Past> {
  const volume = (await hasMail(place, source)) ? (await lookAtMail(place, source)).made : undefined;
  const list: Saved[] = [];
  const onEvent = (event: JobEvent): void => {
    if (event.kind === "snapshot") list.push(event);
  };
  await runJob(place, { id: job, args: ["list", source], onEvent });
  return { ...choose(list, { folder, snapshot, ages: { host, volume } }), volume };
}

const hasMail = async ({ docker, prefix }: Place, id: string): Promise<boolean> =>
  (await unlessMissing(docker.getVolume(mailVolume(prefix, id)).inspect())) !== undefined;
