/** The files that go into an image: their hash, and the archive for the builder. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { lstat, readdir, readFile, readlink } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { default as balena, type Ignore } from "@balena/dockerignore";
import { type Pack, pack } from "tar-stream";
import { UserError } from "./errors.ts";

/** Where the files are. */
export interface BuildSource {
  readonly context: string;
  /** As the program gives it: relative to the program, not to the context. */
  readonly dockerfile?: string | undefined;
}

interface Entry {
  readonly name: string;
  readonly path: string;
  readonly mode: number;
  readonly size: number;
  readonly link?: string;
}

/** The name that a Dockerfile from outside the context gets inside the archive. */
const FOREIGN_DOCKERFILE = ".dockerfile.semail";

/** The Dockerfile's path on disk, and its name in the archive. */
export function dockerfileOf(source: BuildSource): { path: string; name: string; foreign: boolean } {
  const path = source.dockerfile ?? join(source.context, "Dockerfile");
  const inside = relative(resolve(source.context), resolve(path));
  const foreign = inside.startsWith("..");
  return { path, name: foreign ? FOREIGN_DOCKERFILE : inside, foreign };
}

/** A hash of every file's name, mode and content; the same wherever and whenever it is taken. */
export async function contextHash(source: BuildSource): Promise<string> {
  const hash = createHash("sha256");
  const dockerfile = dockerfileOf(source);
  const add = async (name: string, entry: Omit<Entry, "name">): Promise<void> => {
    hash.update(`${name}\0${entry.mode.toString(8)}\0${entry.link ?? (await fileHash(entry.path))}\0`);
  };
  if (dockerfile.foreign) await add(dockerfile.name, { path: dockerfile.path, mode: 0o644, size: 0 });
  for (const entry of await entries(source)) await add(entry.name, entry);
  return hash.digest("hex");
}

/** The archive that the builder takes: owned by root, without times, so that equal files hit its cache. */
export function contextArchive(source: BuildSource): Readable {
  const archive = pack();
  fill(archive, source).catch((error: unknown) => archive.destroy(error as Error));
  return Readable.from(archive as AsyncIterable<Buffer>, { objectMode: false });
}

async function fill(archive: Pack, source: BuildSource): Promise<void> {
  const dockerfile = dockerfileOf(source);
  if (dockerfile.foreign)
    archive.entry({ ...ROOT, name: dockerfile.name, mode: 0o644 }, await readFile(dockerfile.path));
  for (const { name, path, mode, size, link } of await entries(source)) {
    if (link === undefined)
      await pipeline(createReadStream(path), archive.entry({ ...ROOT, name, mode, size }));
    else archive.entry({ ...ROOT, name, mode, type: "symlink", linkname: link });
  }
  archive.finalize();
}

const ROOT = { uid: 0, gid: 0, mtime: new Date(0) } as const;

async function fileHash(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}

async function entries(source: BuildSource): Promise<Entry[]> {
  const dockerfile = dockerfileOf(source);
  const [ignored] = await Promise.all([ignoreRules(source), mustExist(dockerfile.path)]);
  const found = await walk(source.context, "");
  // The builder needs these two even when they are ignored.
  const needed = new Set([dockerfile.name, ".dockerignore"]);
  return found
    .filter(({ name }) => needed.has(name) || !ignored.ignores(name))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function ignoreRules(source: BuildSource): Promise<Ignore> {
  const own = await readIfThere(`${dockerfileOf(source).path}.dockerignore`);
  const rules = own ?? (await readIfThere(join(source.context, ".dockerignore"))) ?? "";
  return balena.default().add(rules.split("\n"));
}

async function walk(root: string, directory: string): Promise<Entry[]> {
  const here = await readdir(join(root, directory), { withFileTypes: true }).catch(
    (error: NodeJS.ErrnoException) => {
      throw new UserError(`can't read the build context ${join(root, directory)} (${error.code})`);
    },
  );
  const nested = await Promise.all(
    here.map(async (each): Promise<Entry[]> => {
      const name = join(directory, each.name);
      const path = join(root, name);
      if (each.isDirectory()) return walk(root, name);
      if (!each.isFile() && !each.isSymbolicLink()) return [];
      const { mode, size } = await lstat(path);
      const link = each.isSymbolicLink() ? { link: await readlink(path) } : {};
      return [{ name, path, mode: mode & 0o7777, size, ...link }];
    }),
  );
  return nested.flat();
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

async function mustExist(dockerfile: string): Promise<void> {
  if ((await readIfThere(dockerfile)) === undefined)
    throw new UserError(`there is no Dockerfile at ${dockerfile}`);
}
