/** One job on the backup of one box, named by the arguments: says what happens as JSON lines, and ends. */
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { setTimeout } from "node:timers/promises";
import { parseArgs, promisify } from "node:util";
import { z } from "zod";
import { BackupSettings, SETTINGS_FILE } from "../contract.ts";
import { parseSettings, readSettings } from "../net/settings.ts";
import { exportDirectory, saveDirectory } from "./directory.ts";
import { BackupFault } from "./fault.ts";
import { isFolderName } from "./folder-name.ts";
import {
  type Event,
  exportBox,
  fetch,
  forget,
  type Job,
  type Limits,
  list,
  save,
  type Tools,
} from "./jobs.ts";
import { hold, type MailTools, merge } from "./mail-jobs.ts";
import { openRestic } from "./restic.ts";

/** About all people at once. */
const WHOLE = new Map<string, (limits: Limits, tools: Tools) => Promise<void>>([
  ["save-directory", (limits, tools) => saveDirectory(process.stdin, limits, tools)],
  ["export-directory", exportDirectory],
]);

const JOBS = new Map<string, (job: Job, tools: Tools) => Promise<void>>([
  ["save", save],
  ["list", list],
  ["fetch", fetch],
  ["export", exportBox],
  ["forget", forget],
]);

/** With the box's volume alone. */
const MAIL_JOBS = new Map<string, (job: Job, tools: MailTools) => Promise<void>>([
  ["hold", hold],
  ["merge", merge],
]);

/** These see the box's volume, too, in which there may be a link to any file that they have: their secrets are none. */
const TOLD_SETTINGS = new Set(["save", "fetch"]);

const id = z.string().regex(/^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$/, "is no mailbox");
const Arguments = z.strictObject({
  uid: id,
  before: z.iso.datetime().optional(),
  "keep-all": z.boolean().default(false),
  folder: z.string().refine(isFolderName, "is no name of a folder").optional(),
  snapshot: z
    .string()
    .regex(/^[0-9a-f]{4,64}$/, "is no id of a snapshot: 4 to 64 of 0-9 and a-f")
    .optional(),
  from: id.optional(),
  mbox: z.boolean().default(false),
  messages: z.coerce.number().int().min(0).optional(),
  files: z.coerce.number().int().min(0).optional(),
});
const WholeArguments = Arguments.pick({ before: true, "keep-all": true });

const PASSWORD_FILE = "/run/password";
const HOME = "/srv/mail";

// Standard output is for what is handed out.
const emit = (event: Event): void => void process.stderr.write(`${JSON.stringify(event)}\n`);

interface Asked {
  readonly name: string;
  /** A mailbox's job, or the limits of one that is about all people. */
  readonly job: Job | undefined;
  readonly limits: Limits;
}

function readArguments(): Asked {
  const { values, positionals } = parseArgs({
    args: process.argv.slice(2),
    allowPositionals: true,
    options: {
      ...{ folder: { type: "string" }, snapshot: { type: "string" }, from: { type: "string" } },
      ...{ mbox: { type: "boolean" }, messages: { type: "string" }, files: { type: "string" } },
      ...{ before: { type: "string" }, "keep-all": { type: "boolean" } },
    },
  });
  const [name = "", uid] = positionals;
  const names = [...WHOLE.keys(), ...JOBS.keys(), ...MAIL_JOBS.keys()];
  if (!names.includes(name))
    throw new BackupFault(`There is no job ${name}.`, `Name one of ${names.join(", ")}.`);
  const whole = WHOLE.has(name);
  const parsed = whole ? WholeArguments.safeParse(values) : Arguments.safeParse({ uid, ...values });
  if (parsed.success) return { name, ...asked(parsed.data) };
  throw new BackupFault(
    parsed.error.issues.map(({ path, message }) => `${path.join(".")} ${message}`).join("; "),
    "Correct it, then run it again.",
  );
}

function asked(values: z.infer<typeof Arguments> | z.infer<typeof WholeArguments>): Omit<Asked, "name"> {
  const limits = { before: values.before, keepAll: values["keep-all"] };
  if (!("uid" in values)) return { job: undefined, limits };
  const { uid, folder, snapshot, from, mbox, messages, files } = values;
  return { job: { uid, folder, snapshot, from, mbox, messages, files, ...limits }, limits };
}

async function main(signal: AbortSignal): Promise<void> {
  const { name, job, limits } = readArguments();
  const onMail = MAIL_JOBS.get(name);
  if (onMail && job) return onMail(job, mailTools(signal));
  const settings = TOLD_SETTINGS.has(name)
    ? parseSettings(BackupSettings, await text(process.stdin), "standard input")
    : await readSettings(BackupSettings, process.env.SEMAIL_SETTINGS ?? SETTINGS_FILE);
  await writeFile(PASSWORD_FILE, settings.password, { mode: 0o600 });
  const tools: Tools = {
    restic: openRestic(settings, { path: process.env.PATH, passwordFile: PASSWORD_FILE, signal }),
    ...{ settings, home: HOME, emit, out: process.stdout },
  };
  if (job) await JOBS.get(name)?.(job, tools);
  else await WHOLE.get(name)?.(limits, tools);
}

function mailTools(signal: AbortSignal): MailTools {
  return {
    ...{ home: HOME, emit, now: Date.now },
    pause: (milliseconds) => setTimeout(milliseconds, undefined, { signal }),
    share: (path) => promisify(execFile)("chmod", ["-R", "g+rX", path], { signal }),
    sync: (path) => promisify(execFile)("sync", ["-f", path], { signal }),
    word: () => Promise.race([text(process.stdin), aborted(signal)]),
  };
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener("abort", () => reject(signal.reason), { once: true });
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
