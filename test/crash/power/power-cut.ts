/** Cuts the power of a daemon that was killed: of its queue's folder remains what it had synced. */
import { mkdir, readdir, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Random } from "../../fuzz/random.ts";
import { openLab } from "../../support/docker.ts";
import { Disk, type Tree } from "./disk.ts";
import { readTrace } from "./trace.ts";

const IMAGE = fileURLToPath(new URL("../../fixtures/images/power-cut", import.meta.url));

/** SQLite's index of the log: memory that processes share, which is made anew from the log. */
const isSharedMemory = (path: string): boolean => path.endsWith("-shm");

export class PowerCut {
  readonly #folder: string;
  readonly #library: string;
  readonly #trace: string;
  #before: Tree = new Map();
  /** How many changes were lost, to tell a trial that proves something. */
  lost = 0;

  private constructor(files: { folder: string; library: string; trace: string }) {
    this.#folder = files.folder;
    this.#library = files.library;
    this.#trace = files.trace;
  }

  /** For a folder, which is made; what it needs besides is put beside it. */
  static async open(path: string): Promise<PowerCut> {
    await mkdir(path, { recursive: true });
    const folder = await realpath(path);
    const library = join(dirname(folder), "trace.so");
    await writeFile(library, await compiled());
    const cut = new PowerCut({ folder, library, trace: join(dirname(folder), "trace") });
    cut.#before = await readTree(folder);
    return cut;
  }

  /** Of a daemon whose folder is watched. */
  get env(): Readonly<Record<string, string>> {
    return { LD_PRELOAD: this.#library, TRACE_FOLDER: this.#folder, TRACE_FILE: this.#trace };
  }

  /**
   * Call it when all processes are dead. What was synced remains, and now and then some of the rest; gives what must not
   * be, in words.
   */
  async cut(random: Random, { spares }: { readonly spares: number }): Promise<string[]> {
    const disk = new Disk(this.#before);
    for (const note of readTrace(await readFile(this.#trace))) disk.note(note);
    const faults = compare(await readTree(this.#folder), disk);
    const some = random.chance(spares);
    const left = disk.after(() => {
      const kept = some && random.chance(0.5);
      if (!kept) this.lost += 1;
      return kept;
    });
    await rm(this.#trace);
    await rm(this.#folder, { recursive: true });
    await writeTree(this.#folder, left);
    this.#before = await readTree(this.#folder);
    return faults;
  }
}

/** The library that writes down what a daemon does, as a compiler of Debian makes it. */
async function compiled(): Promise<Buffer> {
  const lab = openLab();
  try {
    const image = await lab.ensureImage("power-cut", IMAGE);
    const container = await lab.run({ image, hardened: true });
    const { stdout, stderr, exitCode } = await container.exec(["base64", "/trace.so"]);
    if (exitCode !== 0) throw new Error(`trace.so can't be read: ${stderr}`);
    return Buffer.from(stdout, "base64");
  } finally {
    await lab.cleanup();
  }
}

/** Without a power cut the folder is as the notes say; else something was not noted, and a trial would prove nothing. */
function compare(real: Tree, disk: Disk): string[] {
  const noted = disk.after(() => true);
  const open = disk.unfinished();
  const paths = [...new Set([...real.keys(), ...noted.keys()])].filter((path) => !isSharedMemory(path));
  return paths.flatMap((path) => {
    const [is, should] = [real.get(path), noted.get(path)];
    const range = open.find((unfinished) => unfinished.path === path);
    return same(is, should, range) ? [] : [`${path} is not what was noted of it`];
  });
}

type Entry = Buffer | "folder" | undefined;

/** `but`: where they may differ. */
function same(one: Entry, other: Entry, but: { from: number; to: number } | undefined): boolean {
  if (!Buffer.isBuffer(one) || !Buffer.isBuffer(other)) return one === other;
  if (but === undefined) return one.equals(other);
  const part = (of: Buffer): Buffer => Buffer.concat([of.subarray(0, but.from), of.subarray(but.to)]);
  return part(one).equals(part(other));
}

async function readTree(folder: string): Promise<Tree> {
  const tree = new Map<string, Buffer | "folder">([[folder, "folder"]]);
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    tree.set(path, entry.isDirectory() ? "folder" : await readFile(path));
  }
  return tree;
}

/** A name whose folder is gone is gone. */
async function writeTree(root: string, tree: Tree): Promise<void> {
  const reachable = (path: string): boolean =>
    path === root || (tree.get(dirname(path)) === "folder" && reachable(dirname(path)));
  for (const [path, what] of [...tree].sort(([one], [other]) => (one < other ? -1 : 1))) {
    if (!reachable(path)) continue;
    if (what === "folder") await mkdir(path, { recursive: true });
    else await writeFile(path, what);
  }
}
