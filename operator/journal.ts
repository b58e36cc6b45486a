/** What was asked for and how far it is, on stable storage: a file per request. No secret is ever part of one. */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { PersonRequest, RequestView } from "../mailserver/operator/protocol.ts";
import { syncFolder } from "../mailserver/queue/sync-folder.ts";

const VERSION = 1;

export const Entry = z.strictObject({
  version: z.literal(VERSION),
  /** Milliseconds since 1970. */
  acceptedAt: z.number(),
  request: PersonRequest,
  view: RequestView,
  /**
   * `queued`: nothing was done. `applying`: to be finished. `undoing`: to be taken back. `over`: the answer is in the
   * view.
   */
  phase: z.enum(["queued", "applying", "undoing", "over"]),
  /** How often it was begun; what brings the operator down again and again is taken back. */
  attempts: z.int().min(0),
  /** The person's entry in the stack file before and after; written before the file is touched. */
  change: z.strictObject({ uid: z.string(), before: z.string(), after: z.string() }).nullable(),
  /** Whether an update of the stack was begun. */
  touched: z.boolean(),
});
export type Entry = z.infer<typeof Entry>;

/** A new one, which nothing was done for. */
export function newEntry(id: string, request: PersonRequest, acceptedAt: number): Entry {
  const { uid, kind } = request;
  const steps =
    kind === "restart"
      ? (["container", "ready"] as const)
      : (["config", "entry", "volume", "container", "ready"] as const);
  return {
    version: VERSION,
    acceptedAt,
    request,
    view: {
      id,
      uid,
      kind,
      state: "queued",
      steps: steps.map((name) => ({ name, state: "waiting" })),
      error: null,
    },
    phase: "queued",
    attempts: 0,
    change: null,
    touched: false,
  };
}

/** How many requests that are over are remembered. */
const REMEMBERED = 200;

export interface Journal {
  /** All that are remembered, the oldest first; and names of files that can't be read, which were set aside. */
  load(): { entries: Entry[]; damaged: string[] };
  /** On stable storage when it returns. */
  save(entry: Entry): void;
  /** Forgets the oldest that are over; their ids. */
  prune(): string[];
}

/** The journal in `folder`, which is made. */
export function openJournal(folder: string, remembered = REMEMBERED): Journal {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const list = (): { entries: Entry[]; damaged: string[] } => {
    const entries: Entry[] = [];
    const damaged: string[] = [];
    for (const name of readdirSync(folder)) {
      const path = join(folder, name);
      if (name.endsWith(".part")) rmSync(path, { force: true });
      if (!name.endsWith(".json")) continue;
      const entry = read(path);
      if (entry) entries.push(entry);
      else {
        renameSync(path, `${path}.damaged`);
        damaged.push(name);
      }
    }
    entries.sort((a, b) => a.acceptedAt - b.acceptedAt || a.view.id.localeCompare(b.view.id));
    return { entries, damaged };
  };
  return {
    load: list,
    save: (entry) => {
      // Somebody may have tidied the checkout up: what has come of a request is tried until it is written.
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      const path = join(folder, `${entry.view.id}.json`);
      writeDurably(path, `${JSON.stringify(Entry.parse(entry))}\n`);
      syncFolder(folder);
    },
    prune: () => {
      const over = list().entries.filter(({ phase }) => phase === "over");
      const forgotten = over.slice(0, -remembered).map(({ view }) => view.id);
      for (const id of forgotten) rmSync(join(folder, `${id}.json`), { force: true });
      return forgotten;
    },
  };
}

function read(path: string): Entry | undefined {
  try {
    return Entry.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return undefined;
  }
}

/** Whole or not at all, also after a power cut or on a full disk; the folder is for the caller to sync. */
export function writeDurably(path: string, text: string, mode = 0o600): void {
  const part = `${path}.part`;
  const file = openSync(part, "w", mode);
  try {
    // Not writeSync: write(2) on a disk that gets full takes a part, without an error.
    writeFileSync(file, text);
    fsyncSync(file);
  } catch (error) {
    rmSync(part, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
  renameSync(part, path);
}
