/** The last run of the backup, kept in a file. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { syncFolder } from "../../mailserver/queue/sync-folder.ts";
import { writeDurably } from "../journal.ts";
import { Run } from "./schedule.ts";
import type { TimerArgs } from "./timer.ts";

/** A file that is missing or damaged is as if there had been no run: then there is one now. */
export function openMemory(folder: string): TimerArgs["memory"] {
  const path = join(folder, "last-run.json");
  return {
    read: () => {
      try {
        return Run.parse(JSON.parse(readFileSync(path, "utf8")));
      } catch {
        return undefined;
      }
    },
    write: (run) => {
      writeDurably(path, `${JSON.stringify(run)}\n`);
      syncFolder(folder);
    },
  };
}
