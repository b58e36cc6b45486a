/** Saves and restores one mailbox: one job on its volume and one on the repository, each of which tells the other when. */
import { buffer } from "node:stream/consumers";
import { extract } from "tar-stream";
import { requireIdle } from "./busy.ts";
import { diskOf, withoutLimit } from "./disk-limit.ts";
import type { JobEvent } from "./events.ts";
import { keeping, later } from "./host-age.ts";
import { type Mail, type Place, requirePattern, runJob, SETTINGS } from "./job.ts";

const SETTINGS_FILE = `${SETTINGS}/settings.json`;

export interface BoxRequest {
  /** Of the mailbox. */
  readonly id: string;
  readonly onEvent: (event: JobEvent) => void;
}

export interface SaveRequest extends BoxRequest {
  /** What limits it: `--folder NAME`. */
  readonly limits?: readonly string[];
  /** When the host was made; undefined where that is not known. */
  readonly made: Date | undefined;
}

export interface PutBackRequest extends BoxRequest {
  /**
   * What limits it: `--folder NAME`, `--snapshot ID`, `--from UID`, `--before TIME`. `restored`: whether the mailbox has what
   * was saved before its host was made; undefined where the job's image can't tell.
   */
  readonly limits: (restored: boolean | undefined) => readonly string[];
}

/** Takes a snapshot of the mailbox, which is held still by the one job while the other reads it. */
export async function saveBox(place: Place, { id, limits = [], made, onEvent }: SaveRequest): Promise<void> {
  const now = place.now?.() ?? new Date();
  await together(place, {
    ...{ id, onEvent, first: ["hold", id, ...limits], begins: "held" },
    second: (event, mail) => {
      // A volume may be lost alone, and made anew on a host that lives.
      const keep = keeping(later(made, mail?.made), now);
      return { mail: "read", args: ["save", id, ...limits, ...keep, ...heldArguments(event)] };
    },
  });
}

/** What the job that reads has to find. */
export function heldArguments(event: JobEvent): string[] {
  const { messages, files } = event.kind === "held" ? event : { messages: 0 };
  return ["--messages", String(messages), ...(files === undefined ? [] : ["--files", String(files)])];
}

/** Puts a snapshot back: the one job fetches it, the other puts it into the mailbox. */
export async function restoreBox(place: Place, { id, limits, onEvent }: PutBackRequest): Promise<void> {
  // Whose limit is away by now.
  await requireIdle(place, id);
  await withoutLimit(await diskOf(place, id), () =>
    together(place, {
      ...{ id, onEvent, first: ["merge", id], begins: "ready" },
      second: (event) => ({
        mail: "write",
        args: ["fetch", id, ...limits(event.kind === "ready" ? event.restored : undefined)],
      }),
    }),
  );
}

interface Pair {
  readonly id: string;
  readonly onEvent: (event: JobEvent) => void;
  /** Arguments of the job that has the volume to itself. It waits for the other one's end, and hears what that said last. */
  readonly first: readonly string[];
  /** The event at which the other one begins. */
  readonly begins: JobEvent["kind"];
  readonly second: (
    event: JobEvent,
    mail: Mail | undefined,
  ) => { mail: "read" | "write"; args: readonly string[] };
}

async function together(place: Place, { id, onEvent, first, begins, second }: Pair): Promise<void> {
  const settings = await readSettings(place);
  const word = Promise.withResolvers<Buffer>();
  let other = Promise.resolve();
  let mail: Mail | undefined;
  const begin = async (event: JobEvent): Promise<void> => {
    let said: JobEvent | undefined;
    try {
      await runJob(place, {
        ...{ id, input: settings, ...second(event, mail) },
        onEvent: (each) => {
          said = each;
          if (each.kind !== "fetched") onEvent(each);
        },
      });
      word.resolve(Buffer.from(JSON.stringify(said ?? {})));
    } catch (error) {
      word.resolve(Buffer.alloc(0));
      throw error;
    }
  };
  try {
    await runJob(place, {
      ...{ id, mail: "alone", args: first, input: word.promise },
      onMail: (found) => {
        mail = found;
      },
      onEvent: (event) => {
        if (event.kind !== begins) return onEvent(event);
        other = begin(event);
        // It is waited for below, once the first has ended.
        other.catch(() => {});
      },
    });
  } catch (error) {
    await other.catch(() => {});
    throw error;
  }
  await other;
}

/** What the pattern's settings are: a job that sees a box's volume gets them told. */
export async function readSettings(place: Place): Promise<Buffer> {
  const { Id } = await requirePattern(place);
  const archive = await place.docker.getContainer(Id).getArchive({ path: SETTINGS_FILE });
  for await (const entry of archive.pipe(extract())) return buffer(entry);
  throw new Error(`the pattern of the backup has no ${SETTINGS_FILE}`);
}
