/** One job on the backup of one box, named by the arguments: says what happens as JSON lines, and ends. */
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { parseArgs, promisify } from "node:util";
import { z } from "zod";
import { BackupSettings, SETTINGS_FILE } from "../contract.ts";
import { readSettings } from "../net/settings.ts";
import { exportDirectory, saveDirectory } from "./directory.ts";
import { BackupFault } from "./fault.ts";
import { isFolderName } from "./folder-name.ts";
import { type Event, exportBox, forget, type Job, list, restore, save, type Tools } from "./jobs.ts";
import { openRestic } from "./restic.ts";

/** About all people at once. */
const WHOLE = new Map<string, (tools: Tools) => Promise<void>>([
  ["save-directory", (tools) => saveDirectory(process.stdin, tools)],
  ["export-directory", exportDirectory],
]);

const JOBS = new Map<string, (job: Job, tools: Tools) => Promise<void>>([
  ["save", save],
  ["list", list],
  ["restore", restore],
  ["export", exportBox],
  ["forget", forget],
]);

const id = z.string().regex(/^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$/, "is no mailbox");
const Arguments = z.strictObject({
  uid: id,
  folder: z.string().refine(isFolderName, "is no name of a folder").optional(),
  snapshot: z
    .string()
    .regex(/^[0-9a-f]{4,64}$/, "is no id of a snapshot: 4 to 64 of 0-9 and a-f")
    .optional(),
  from: id.optional(),
  mbox: z.boolean().default(false),
});

const PASSWORD_FILE = "/run/password";
const HOME = "/srv/mail";

// Standard output is for what is handed out.
const emit = (event: Event): void => void process.stderr.write(`${JSON.stringify(event)}\n`);

function readArguments(): (tools: Tools) => Promise<void> {
  const { values, positionals } = parseArgs({
    args: process.argv.slice(2),
    allowPositionals: true,
    options: {
      ...{ folder: { type: "string" }, snapshot: { type: "string" }, from: { type: "string" } },
      mbox: { type: "boolean" },
    },
  });
  const [name = "", uid] = positionals;
  const whole = WHOLE.get(name);
  if (whole) return whole;
  const work = JOBS.get(name);
  if (!work) throw new BackupFault(`There is no job ${name}.`, `Name one of ${[...JOBS.keys()].join(", ")}.`);
  const parsed = Arguments.safeParse({ uid, ...values });
  if (!parsed.success)
    throw new BackupFault(
      parsed.error.issues.map(({ path, message }) => `${path.join(".")} ${message}`).join("; "),
      "Correct it, then run it again.",
    );
  const { folder, snapshot, from, mbox } = parsed.data;
  return (tools) => work({ uid: parsed.data.uid, folder, snapshot, from, mbox }, tools);
}

async function main(signal: AbortSignal): Promise<void> {
  const work = readArguments();
  const settings = await readSettings(BackupSettings, process.env.SEMAIL_SETTINGS ?? SETTINGS_FILE);
  await writeFile(PASSWORD_FILE, settings.password, { mode: 0o600 });
  await work({
    restic: openRestic(settings, { path: process.env.PATH, passwordFile: PASSWORD_FILE, signal }),
    settings,
    home: HOME,
    emit,
    out: process.stdout,
    now: Date.now,
    pause: (milliseconds) => setTimeout(milliseconds, undefined, { signal }),
    sync: (path) => promisify(execFile)("sync", ["-f", path], { signal }),
  });
}

const ending = new AbortController();
// Process 1 of a container has no default for signals.
for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => ending.abort());
try {
  await main(ending.signal);
} catch (error) {
  if (error instanceof BackupFault) {
    emit({ kind: "fault", cause: error.message, remedy: error.remedy });
  } else if (!ending.signal.aborted) {
    const cause = error instanceof Error ? error.message : String(error);
    emit({ kind: "fault", cause, remedy: "Check the disk of the host, then run it again." });
  }
  process.exitCode = 1;
}
