import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { resolve } from "node:path";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { finished } from "node:stream/promises";
import { z } from "zod";
import { restoreDirectory, saveDirectory } from "../backup/directory.ts";
import { type JobEvent, outcomeOf, snapshotLine } from "../backup/events.ts";
import { type JobRequest, mailVolumes, type Place, runJob } from "../backup/job.ts";
import type { Context } from "../context.ts";
import { Fault, messageOf, renderFault } from "../fault.ts";
import { openStack } from "../stack.ts";
import { hostOf, stackEngine } from "../stack-engine.ts";

export const ACTIONS = ["save", "list", "restore", "export", "key"] as const;

export interface BackupOptions {
  readonly stack: string;
  readonly action: (typeof ACTIONS)[number];
  readonly uids: readonly string[];
  readonly all: boolean;
  readonly folder: string | undefined;
  readonly snapshot: string | undefined;
  /** File for the archive. */
  readonly output: string | undefined;
}

/** Snapshots of people's mail, on the stack that runs. */
export async function backup(context: Context, options: BackupOptions): Promise<void> {
  const stack = openStack(context, options.stack);
  const { docker } = await stackEngine(context, stack, "use");
  const { prefix } = stack;
  const { ldapPort } = hostOf(stack);
  await work(context, { docker, prefix, ldapPort, signal: context.signal }, options);
}

/** Where the stack is, and how its directory is written. */
export interface Site extends Place {
  /** On this machine's loopback. */
  readonly ldapPort: number;
}

/** The action itself, wherever the stack is. */
export async function work(context: Context, place: Site, options: BackupOptions): Promise<void> {
  switch (options.action) {
    case "save":
      return saveAll(context, place, options);
    case "list":
      return list(context, place, options);
    case "restore":
      return options.all ? restoreAll(context, place, options) : restore(context, place, options);
    case "export":
      return exportTo(context, place, options);
    case "key":
      return key(context, place);
  }
}

function limits({ action, folder, snapshot }: BackupOptions): string[] {
  if (folder !== undefined && action === "export")
    throw new Fault("An archive has all folders of its snapshot.", "Leave --folder out.");
  if (snapshot !== undefined && action === "save")
    throw new Fault("A new snapshot has no id yet.", "Leave --snapshot out.");
  return [
    ...(folder === undefined ? [] : ["--folder", folder]),
    ...(snapshot === undefined ? [] : ["--snapshot", snapshot]),
  ];
}

function onlyOne({ action, uids, all }: BackupOptions): string {
  const [uid, ...more] = uids;
  if (uid !== undefined && more.length === 0 && !all) return uid;
  throw new Fault(`${action} is for one mailbox.`, `Name its person: \`npm run backup -- ${action} UID\`.`);
}

/** Tells how far a job is, each tenth, and how it ended. */
function tell(context: Context, uid: string): (event: JobEvent) => void {
  let tenths = 0;
  return (event) => {
    const outcome = outcomeOf(uid, event);
    if (outcome) context.say.done(outcome.what, outcome.detail);
    if (event.kind !== "progress" || Math.floor(event.share * 10) <= tenths) return;
    tenths = Math.floor(event.share * 10);
    if (tenths < 10) context.say.line(`  ${uid} ${tenths * 10} %`);
  };
}

type Work = readonly (readonly [what: string, work: () => Promise<void>])[];

/** One after the other: one that fails is told and holds up no other. Answers those that failed. */
async function each(context: Context, parts: Work): Promise<string[]> {
  const failed: string[] = [];
  for (const [what, work] of parts) {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof Fault) || parts.length === 1) throw error;
      context.say.line(renderFault(error));
      failed.push(what);
    }
  }
  return failed;
}

const DIRECTORY = "the directory";

/** Everybody's mail and the directory, or the mail of those named. */
async function saveAll(context: Context, place: Place, options: BackupOptions): Promise<void> {
  const uids = options.all ? await mailVolumes(place) : options.uids;
  if (uids.length === 0 && !options.all)
    throw new Fault("Whose mail is to be saved?", "Name people by uid, or give --all.");
  const save = (uid: string) => {
    context.say.doing(`saving ${uid}`);
    return runJob(place, { uid, args: ["save", uid, ...limits(options)], onEvent: tell(context, uid) });
  };
  const parts: Work = [
    ...uids.map((uid) => [uid, () => save(uid)] as const),
    ...(options.all ? [[DIRECTORY, () => saveDirectory(context, place)] as const] : []),
  ];
  const failed = await each(context, parts);
  if (failed.length > 0)
    throw new Fault(
      `${failed.length} of ${parts.length} were not saved: ${failed.join(", ")}.`,
      "See above for each, then run it again.",
    );
  if (uids.length === 0) context.say.line("There is no mailbox yet.");
}

async function list(context: Context, place: Place, options: BackupOptions): Promise<void> {
  const uids = options.uids.length > 0 ? options.uids : await mailVolumes(place);
  for (const uid of uids) {
    let count = 0;
    const onEvent = (event: JobEvent): void => {
      if (event.kind !== "snapshot") return;
      count += 1;
      context.say.line(snapshotLine(uid, event));
    };
    await runJob(place, { uid, args: ["list", uid], onEvent });
    if (count === 0) context.say.line(`${uid.padEnd(16)}  no snapshot`);
  }
}

/** Everybody's mail, then the passwords: onto a new host. Who has no snapshot holds up nobody. */
async function restoreAll(context: Context, place: Site, options: BackupOptions): Promise<void> {
  if (options.uids.length > 0 || options.folder !== undefined || options.snapshot !== undefined)
    throw new Fault("--all restores the latest snapshot of everybody.", "Leave the rest out, or --all.");
  const parts: Work = [
    ...(await mailVolumes(place)).map(
      (uid) => [uid, () => restore(context, place, { ...options, all: false, uids: [uid] })] as const,
    ),
    [DIRECTORY, () => restoreDirectory(context, place, place.ldapPort)],
  ];
  const failed = await each(context, parts);
  if (failed.length > 0)
    throw new Fault(
      `${failed.length} of ${parts.length} were not restored: ${failed.join(", ")}.`,
      "See above for each; one without a snapshot has nothing to restore. The others are there.",
    );
}

async function restore(context: Context, place: Place, options: BackupOptions): Promise<void> {
  const uid = onlyOne(options);
  const said = tell(context, uid);
  let folders: readonly string[] = [];
  context.say.doing(`restoring ${uid}`);
  const onEvent = (event: JobEvent): void => {
    if (event.kind === "restored") folders = event.folders;
    said(event);
  };
  await runJob(place, { uid, args: ["restore", uid, ...limits(options)], onEvent });
  const inbox = folders.filter((folder) => folder !== "INBOX");
  if (inbox.length === 0) return;
  const shown = await subscribe(place, uid, inbox);
  context.say.done(`folders made again: ${inbox.join(", ")}`, shown ? undefined : "not subscribed");
}

/** Mail programs show what their person subscribed to. False where no box runs. */
async function subscribe(
  { docker, prefix }: Place,
  uid: string,
  folders: readonly string[],
): Promise<boolean> {
  const box = docker.getContainer(`${prefix}-box-${uid}`);
  const state = await box.inspect().catch(() => undefined);
  if (!state?.State.Running) return false;
  const exec = await box.exec({
    Cmd: ["doveadm", "-c", "/run/dovecot.conf", "mailbox", "subscribe", "-u", uid, ...folders],
    AttachStdout: true,
    AttachStderr: true,
  });
  const stream = await exec.start({});
  stream.resume();
  await finished(stream, { writable: false });
  return (await exec.inspect()).ExitCode === 0;
}

async function exportTo(context: Context, place: Place, options: BackupOptions): Promise<void> {
  const uid = onlyOne(options);
  const file = resolve(context.root, options.output ?? `${uid}.tar`);
  const part = `${file}.part`;
  // Readable for its owner alone: it is somebody's mail.
  const out = createWriteStream(part, { flags: "w", mode: 0o600 });
  const broken = new Promise<never>((_, reject) => {
    out.once("error", (error) =>
      reject(new Fault(`${file} can't be written: ${messageOf(error)}.`, "Give another one: --output FILE.")),
    );
  });
  try {
    const job: JobRequest = {
      uid,
      args: ["export", uid, ...limits(options)],
      onEvent: tell(context, uid),
      out,
    };
    await Promise.race([runJob(place, job), broken]);
    out.end();
    await Promise.race([finished(out), broken]);
    await rename(part, file);
    context.say.line(`  ${file}`);
  } catch (error) {
    out.destroy();
    await rm(part, { force: true });
    throw error;
  }
}

const Settings = z.object({ password: z.string() });

/** Shows the password: whoever loses the stack's state has no other way to their snapshots. */
async function key(context: Context, place: Place): Promise<void> {
  const [uid] = await mailVolumes(place);
  if (uid === undefined) throw new Fault("There is no mailbox yet.", "Add a person, then `npm run up`.");
  const out = new PassThrough();
  const reading = text(out);
  await runJob(place, {
    uid,
    entrypoint: ["cat"],
    args: ["/settings/settings.json"],
    onEvent: () => {},
    out,
  });
  out.end();
  context.say.line(Settings.parse(JSON.parse(await reading)).password);
}
