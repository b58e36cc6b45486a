import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { resolve } from "node:path";
import { finished } from "node:stream/promises";
import { chooseMailbox, parseMailboxId } from "../../../stacks/mailbox-id.ts";
import { saveBox } from "../backup/box.ts";
import { directoryMade, madeOrUnknown, restoreDirectory, saveDirectory } from "../backup/directory.ts";
import { type JobEvent, outcomeOf, snapshotLine } from "../backup/events.ts";
import { type JobRequest, mailVolume, mailVolumes, type Place, patternOf, runJob } from "../backup/job.ts";
import { type Kept, keptLine, keptMailboxes } from "../backup/kept.ts";
import { showPassword } from "../backup/password.ts";
import { restoreMailbox, tellOfOlder } from "../backup/restore.ts";
import type { Context } from "../context.ts";
import { Fault, messageOf, renderFault } from "../fault.ts";
import { openStack } from "../stack.ts";
import { hostOf, stackEngine } from "../stack-engine.ts";

export const ACTIONS = ["save", "list", "restore", "export", "forget", "key"] as const;

export interface BackupOptions {
  readonly stack: string;
  readonly action: (typeof ACTIONS)[number];
  readonly uids: readonly string[];
  readonly all: boolean;
  readonly folder: string | undefined;
  readonly snapshot: string | undefined;
  /** Mailbox whose snapshot it is, when that is another's. */
  readonly from: string | undefined;
  /** Hand out one mbox rather than an archive. */
  readonly mbox: boolean;
  /** File for the archive or mbox. */
  readonly output: string | undefined;
}

/** Snapshots of people's mail, on the stack that runs. */
export async function backup(context: Context, options: BackupOptions): Promise<void> {
  const stack = openStack(context, options.stack);
  const { docker } = await stackEngine(context, stack, "use");
  const { prefix } = stack;
  const kept = options.action === "list" ? await keptMailboxes(context, options.stack) : [];
  const { ldapPort } = hostOf(stack);
  await work(context, { docker, prefix, ldapPort, signal: context.signal }, options, kept);
}

/** Where the stack is, and how its directory is written. */
export interface Site extends Place {
  /** On this machine's loopback. */
  readonly ldapPort: number;
}

/** The action itself, wherever the stack is. */
export async function work(
  context: Context,
  place: Site,
  options: BackupOptions,
  kept: readonly Kept[] = [],
): Promise<void> {
  const there = options.uids.length > 0 ? await mailVolumes(place) : [];
  const named = { ...options, uids: options.uids.map((uid) => chooseMailbox(uid, there)) };
  return carryOut(context, place, named, kept);
}

async function carryOut(
  context: Context,
  place: Site,
  options: BackupOptions,
  kept: readonly Kept[],
): Promise<void> {
  switch (options.action) {
    case "save":
      return saveAll(context, place, options);
    case "list":
      return list(context, place, options, kept);
    case "restore":
      if (options.all) return restoreAll(context, place, options);
      return restore(context, place, options, await madeOrUnknown(place));
    case "export":
      return exportTo(context, place, options);
    case "forget":
      return forget(context, place, options);
    case "key":
      return showPassword(context, place);
  }
}

function limits({ action, folder, snapshot, from, mbox }: BackupOptions): string[] {
  if (from !== undefined && action !== "restore")
    throw new Fault("Only a restore is from one mailbox into another.", "Leave --from out.");
  if (folder !== undefined && action === "export" && !mbox)
    throw new Fault("An archive has all folders of its snapshot.", "Leave --folder out, or add --mbox.");
  if (mbox && action !== "export") throw new Fault("Only `export` writes an mbox.", "Leave --mbox out.");
  if (snapshot !== undefined && action === "save")
    throw new Fault("A new snapshot has no id yet.", "Leave --snapshot out.");
  return [
    ...(folder === undefined ? [] : ["--folder", folder]),
    ...(snapshot === undefined ? [] : ["--snapshot", snapshot]),
    ...(from === undefined ? [] : ["--from", chooseMailbox(from, [from])]),
    ...(mbox ? ["--mbox"] : []),
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
  const made = await madeOrUnknown(place);
  const save = (uid: string) => {
    context.say.doing(`saving ${uid}`);
    return saveBox(place, { id: uid, limits: limits(options), made, onEvent: tell(context, uid) });
  };
  const saveEntries = () => {
    context.say.doing("saving the directory");
    return saveDirectory(place, { made, onEvent: tell(context, "directory") });
  };
  const parts: Work = [
    ...uids.map((uid) => [uid, () => save(uid)] as const),
    ...(options.all ? [[DIRECTORY, saveEntries] as const] : []),
  ];
  const failed = await each(context, parts);
  if (failed.length > 0)
    throw new Fault(
      `${failed.length} of ${parts.length} were not saved: ${failed.join(", ")}.`,
      "See above for each, then run it again.",
    );
  if (uids.length === 0) context.say.line("There is no mailbox yet.");
}

async function list(
  context: Context,
  place: Place,
  options: BackupOptions,
  kept: readonly Kept[],
): Promise<void> {
  const wanted = kept.filter(({ id }) => options.uids.length === 0 || options.uids.includes(id));
  for (const { id, name, until } of wanted)
    context.say.line(`${id.padEnd(16)}  ${keptLine(until, new Date())}  ${name}`);
  // Mail is kept without a backup, too.
  if (wanted.length > 0 && !(await patternOf(place))) return;
  const uids = options.uids.length > 0 ? options.uids : await mailVolumes(place);
  for (const uid of uids) {
    let count = 0;
    const onEvent = (event: JobEvent): void => {
      if (event.kind !== "snapshot") return;
      count += 1;
      context.say.line(snapshotLine(uid, event));
    };
    await runJob(place, { id: uid, args: ["list", uid], onEvent });
    if (count === 0) context.say.line(`${uid.padEnd(16)}  no snapshot`);
  }
}

/** Everybody's mail, then the passwords: onto a new host. Who has no snapshot holds up nobody. */
async function restoreAll(context: Context, place: Site, options: BackupOptions): Promise<void> {
  const { uids, folder, snapshot, from } = options;
  if (uids.length > 0 || [folder, snapshot, from].some((limit) => limit !== undefined))
    throw new Fault("--all restores the latest snapshot of everybody.", "Leave the rest out, or --all.");
  const made = await directoryMade(place);
  const parts: Work = [
    ...(await mailVolumes(place)).map(
      (uid) => [uid, () => restore(context, place, { ...options, all: false, uids: [uid] }, made)] as const,
    ),
    [DIRECTORY, () => restoreDirectory(context, { ...place, made })],
  ];
  const failed = await each(context, parts);
  if (failed.length > 0)
    throw new Fault(
      `${failed.length} of ${parts.length} were not restored: ${failed.join(", ")}.`,
      "See above for each; one without a snapshot has nothing to restore. The others are there.",
    );
}

/** `made`: when the host was. */
async function restore(
  context: Context,
  place: Place,
  options: BackupOptions,
  made: Date | undefined,
): Promise<void> {
  const uid = onlyOne(options);
  const said = tell(context, uid);
  const folders = new Set<string>();
  context.say.doing(`restoring ${uid}`);
  const onEvent = (event: JobEvent): void => {
    for (const folder of event.kind === "restored" ? event.folders : []) folders.add(folder);
    said(event);
  };
  const { folder, snapshot, from } = options;
  const source = { folder, snapshot, from: from === undefined ? undefined : chooseMailbox(from, [from]) };
  const onLine = (line: string): void => context.say.line(line);
  await restoreMailbox(place, { id: uid, ...source, limits: limits(options), made, onEvent, onLine });
  const others = [...folders].filter((each) => each !== "INBOX");
  if (others.length === 0) return;
  const shown = await subscribe(place, uid, others);
  context.say.done(`folders made again: ${others.join(", ")}`, shown ? undefined : "not subscribed");
}

/** Mail programs show what their person subscribed to. False where no box runs. */
async function subscribe(
  { docker, prefix }: Place,
  id: string,
  folders: readonly string[],
): Promise<boolean> {
  const { uid } = parseMailboxId(id);
  const box = docker.getContainer(`${prefix}-box-${uid}`);
  const state = await box.inspect().catch(() => undefined);
  const has = state?.Mounts.some(({ Name }) => Name === mailVolume(prefix, id));
  if (!state?.State.Running || !has) return false;
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
  const file = resolve(context.root, options.output ?? `${uid}.${options.mbox ? "mbox" : "tar"}`);
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
      id: uid,
      args: ["export", uid, ...limits(options)],
      onEvent: tell(context, uid),
      out,
    };
    await Promise.race([runJob(place, job), broken]);
    out.end();
    await Promise.race([finished(out), broken]);
    await rename(part, file);
    context.say.line(`  ${file}`);
    const onLine = (line: string): void => context.say.line(line);
    if (options.snapshot === undefined) await tellOfOlder(place, { id: uid, folder: options.folder, onLine });
  } catch (error) {
    out.destroy();
    await rm(part, { force: true });
    throw error;
  }
}

/** For mailboxes that are no more: those of others are let go as `keep` says. */
async function forget(context: Context, place: Place, options: BackupOptions): Promise<void> {
  const id = onlyOne(options);
  if ((await mailVolumes(place)).includes(id))
    throw new Fault(
      `The mail of ${id} is still on the host, so its snapshots stay.`,
      `Wait until it is gone. An earlier mailbox of the same uid has its number: \`${parseMailboxId(id).uid}_1\`.`,
    );
  await runJob(place, { id, args: ["forget", id], onEvent: tell(context, id) });
}
