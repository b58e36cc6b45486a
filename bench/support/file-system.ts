/**
 * The file system on which all that is durable in a benchmark lies. Whatever this machine has, it is ext4 with a journal, as
 * on most hosts of mail: in a sparse file on a loop device, which takes root and /dev/loop-control. The environment
 * variable SEMAIL_BENCH_FOLDER names a folder to be used in its place.
 */
import { existsSync } from "node:fs";
import { mkdir, readdir, rm, truncate, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { execa } from "execa";
import type { Lab } from "../../test/support/docker.ts";

const BYTES = 12 * 2 ** 30;
/** Unlike /tmp, on a disk everywhere. */
const PLACE = "/var/tmp";
/** The process's number follows. */
const NAME = "semail-bench-";
const MOUNTED = "mounted";
const REMEDY =
  "A file system on a loop device takes root, /dev/loop-control and mkfs.ext4. Or name a folder in SEMAIL_BENCH_FOLDER.";
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Until it is disposed of, which removes it with all that lies on it, no signal ends this process. */
export interface FileSystem extends AsyncDisposable {
  readonly folder: string;
  /** What it is, for who reads the results. */
  readonly kind: string;
  /** Settles as the work does; rejects before when the process is told to end, or an error is thrown that nobody catches. */
  during<T>(work: Promise<T>): Promise<T>;
}

/** Throws when there is no loop device to be had, or no folder of the name that was given. */
export async function openFileSystem(): Promise<FileSystem> {
  const named = process.env.SEMAIL_BENCH_FOLDER;
  const base = resolve(named ?? PLACE);
  await removeLeft(base);
  const ending = heedEnd();
  const place = join(base, `${NAME}${process.pid}`);
  const folder = join(place, MOUNTED);
  const close = async (): Promise<void> => {
    await remove(place);
    ending.ignore();
  };
  try {
    await mkdir(folder, { recursive: true });
    const kind = named === undefined ? await mountOwn(join(place, "image"), folder) : await kindOf(folder);
    const during = <T>(work: Promise<T>): Promise<T> => Promise.race([work, ending.told]);
    return { folder, kind, during, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The folder of this machine in which a volume's files lie, whether a container has it mounted or not. */
export async function folderOf({ docker }: Lab, volume: string): Promise<string> {
  const { Mountpoint, Options } = await docker.getVolume(volume).inspect();
  return Options?.device ?? Mountpoint;
}

async function mountOwn(image: string, folder: string): Promise<string> {
  try {
    await writeFile(image, "");
    await truncate(image, BYTES);
    // Nothing is left to the kernel to be written later, while something is measured.
    await run("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", image);
    const device = await run("losetup", "--find", "--show", image);
    try {
      // Not everywhere to be had. Without it, all is in this machine's memory twice.
      await run("losetup", "--direct-io=on", device).catch(() => {});
      await run("mount", device, folder);
    } finally {
      // Takes effect when nobody has it mounted any more, however this process ends.
      await run("losetup", "--detach", device);
    }
  } catch (cause) {
    throw new Error(REMEDY, { cause });
  }
  return "ext4 with a journal, on a loop device of its own, for all queues and boxes";
}

async function kindOf(folder: string): Promise<string> {
  const type = await run("findmnt", "--noheadings", "--output=FSTYPE", "--target", folder);
  return `${type}, in a folder that was named, for all queues and boxes`;
}

/** What runs left that were killed. */
async function removeLeft(base: string): Promise<void> {
  for (const name of await readdir(base)) {
    const pid = name.startsWith(NAME) ? Number(name.slice(NAME.length)) : Number.NaN;
    if (Number.isInteger(pid) && (pid === process.pid || !existsSync(`/proc/${pid}`)))
      await remove(join(base, name));
  }
}

async function remove(place: string): Promise<void> {
  // Lazily, for the sake of containers that a killed run has left. It fails where nothing is mounted.
  await run("umount", "--lazy", join(place, MOUNTED)).catch(() => {});
  await rm(place, { recursive: true, force: true });
}

/** Runs a program that a Ctrl-C at the terminal doesn't reach; what it wrote. */
async function run(program: string, ...args: readonly string[]): Promise<string> {
  return (await execa(program, args, { detached: true })).stdout;
}

function heedEnd(): { readonly told: Promise<never>; ignore(): void } {
  const { promise: told, reject } = Promise.withResolvers<never>();
  told.catch(() => {});
  const end = (name: NodeJS.Signals): void => {
    console.log(`${name}: all is taken down`);
    reject(new Error(`ended by ${name}`));
  };
  for (const name of SIGNALS) process.on(name, end);
  process.on("uncaughtException", reject);
  const ignore = (): void => {
    for (const name of SIGNALS) process.off(name, end);
    process.off("uncaughtException", reject);
  };
  return { told, ignore };
}
