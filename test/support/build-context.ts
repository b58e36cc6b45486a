import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pack } from "tar-stream";

interface ContextFile {
  name: string;
  mode: number;
  content: Buffer;
}

export interface BuildContext {
  /** Changes with the name, mode and content of any file, and with the build arguments. */
  hash: string;
  tar(): Readable;
}

/** Reads the build context of an image: every file below `dir`. */
export async function buildContext(dir: string, buildArgs: Record<string, string>): Promise<BuildContext> {
  const files = await contextFiles(dir);
  const hash = createHash("sha256").update(JSON.stringify(buildArgs));
  for (const { name, mode, content } of files)
    hash.update(`\0${name}\0${mode}\0${content.length}\0`).update(content);
  return {
    hash: hash.digest("hex").slice(0, 16),
    tar() {
      const archive = pack();
      // One time stamp for all: the same content is the same layer.
      for (const { name, mode, content } of files) archive.entry({ name, mode, mtime: new Date(0) }, content);
      archive.finalize();
      return Readable.from(archive);
    },
  };
}

async function contextFiles(dir: string): Promise<ContextFile[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Promise.all(
    paths.sort().map(async (path) => ({
      name: path.slice(join(dir, "/").length),
      // Only the owner's execute bit is kept by git.
      mode: (await stat(path)).mode & 0o100 ? 0o755 : 0o644,
      content: await readFile(path),
    })),
  );
}
