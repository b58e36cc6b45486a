/** What a backup job says, and how it is told to the user. Pure. */
import { z } from "zod";

const text = z.string().max(2_000);
const count = z.int().min(0);

export const JobEvent = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("progress"), share: z.number().min(0).max(1) }),
  // Jobs of an older image don't tell what is optional here.
  z.object({ kind: z.literal("held"), messages: count, files: count.optional() }),
  z.object({ kind: z.literal("ready"), restored: z.boolean().optional() }),
  z.object({
    ...{ kind: z.literal("fetched"), id: text, time: text },
    ...{ folder: text.optional(), before: text.optional() },
  }),
  z.object({
    ...{ kind: z.literal("saved"), id: text, messages: count, entries: count.optional() },
    ...{ bytes: count, addedBytes: count },
  }),
  z.object({
    ...{ kind: z.literal("snapshot"), id: text, time: text },
    ...{ folder: text.optional(), part: z.boolean().optional(), bytes: count.optional() },
  }),
  z.object({
    ...{ kind: z.literal("restored"), id: text, time: text, added: count, kept: count },
    ...{ folders: z.array(text), keywordsLost: count },
  }),
  z.object({ kind: z.literal("exported"), id: text, time: text }),
  z.object({ kind: z.literal("forgotten"), snapshots: count }),
  z.object({ kind: z.literal("fault"), cause: text, remedy: text }),
]);
export type JobEvent = z.infer<typeof JobEvent>;

/** The event of a line; undefined for what is none. */
export function parseEvent(line: string): JobEvent | undefined {
  try {
    return JobEvent.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}

/** What is to be done about a fault. A job of an earlier image does not know all that it is asked for. */
export const remedyOf = ({ cause, remedy }: Extract<JobEvent, { kind: "fault" }>): string =>
  /^Unknown option '--/.test(cause)
    ? "What makes backups on the host is of an earlier version than this checkout: run `npm run up`, then this again."
    : remedy;

/** A number of bytes as a person says it. */
export function readableBytes(bytes: number): string {
  let size = bytes;
  let unit = "bytes";
  for (const larger of ["KB", "MB", "GB", "TB"]) {
    if (size < 1_000) break;
    size /= 1_000;
    unit = larger;
  }
  return `${size >= 10 || unit === "bytes" ? Math.round(size) : size.toFixed(1)} ${unit}`;
}

/** `2026-01-31 10:20 UTC` of restic's time. */
export function readableTime(time: string): string {
  const parsed = new Date(time);
  return Number.isNaN(parsed.getTime()) ? time : `${parsed.toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

const plural = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? "" : "s"}`;

const people = (number: number): string => (number === 1 ? "1 person" : `${number} people`);

/** How a job ended: the step and its detail. */
export function outcomeOf(uid: string, event: JobEvent): { what: string; detail: string } | undefined {
  switch (event.kind) {
    case "saved":
      return {
        what: `${uid} saved as ${event.id}`,
        detail: `${event.entries === undefined ? plural(event.messages, "message") : people(event.entries)}, ${readableBytes(event.bytes)}, ${readableBytes(event.addedBytes)} new in the repository`,
      };
    case "restored": {
      const lost = event.keywordsLost > 0 ? `, ${plural(event.keywordsLost, "label")} not` : "";
      return {
        what: `${uid} restored from ${event.id} of ${readableTime(event.time)}`,
        detail: `${plural(event.added, "message")} put back${lost}, ${event.kept} there already`,
      };
    }
    case "exported":
      return { what: `${uid} exported`, detail: `snapshot ${event.id} of ${readableTime(event.time)}` };
    case "forgotten":
      return { what: `${uid} forgotten`, detail: `${plural(event.snapshots, "snapshot")} removed` };
    default:
      return undefined;
  }
}

/** A line of the list of snapshots. */
export function snapshotLine(uid: string, event: Extract<JobEvent, { kind: "snapshot" }>): string {
  const size = event.bytes === undefined ? "" : readableBytes(event.bytes);
  return [
    uid.padEnd(16),
    event.id,
    readableTime(event.time),
    size.padStart(7),
    `${event.folder ?? "all folders"}${event.part ? ", not all of it" : ""}`,
  ].join("  ");
}
