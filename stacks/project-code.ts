/** A digest of the code that an update runs and builds images of. */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** Everything in the project's folder that decides what an update makes. */
const CODE = ["index.ts", "package.json", "components", "mailserver", "operator", "sdks", "stacks", "tools"];
/** What npm installed, and how code is translated; what isn't there stands for nothing. */
const SURROUNDINGS = ["node_modules/.package-lock.json", "tsconfig.json"];

/** Of the project at `root`, in hexadecimal. The same files give the same digest, wherever they are. */
export async function projectCode(root: string): Promise<string> {
  const files = (await Promise.all(CODE.map((path) => filesAt(root, path)))).flat();
  const all = [...files, ...SURROUNDINGS];
  const contents = await Promise.all(all.map((file) => contentOf(join(root, file))));
  const digest = createHash("sha256");
  all.forEach((file, index) => {
    const content = contents[index];
    if (content) digest.update(`${file}\0${content.length}\0`).update(content);
  });
  return digest.digest("hex");
}

/** A file itself, or all below a folder but packages, sorted by name. */
async function filesAt(root: string, path: string): Promise<string[]> {
  const entries = await readdir(join(root, path), { withFileTypes: true }).catch(notFolder);
  if (!entries) return [path];
  const found = entries
    .filter(({ name }) => name !== "node_modules" && !isScratch(name))
    .sort((one, other) => (one.name < other.name ? -1 : 1))
    .map((entry) => {
      const at = `${path}/${entry.name}`;
      if (entry.isDirectory()) return filesAt(root, at);
      return Promise.resolve(entry.isFile() ? [at] : []);
    });
  return (await Promise.all(found)).flat();
}

/** Undefined where it isn't there, or no more. */
const contentOf = (path: string): Promise<Buffer | undefined> =>
  readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
    return undefined;
  });

/** What editors and patches leave beside a file, and logs. */
const isScratch = (name: string): boolean => /^[.#]|^\d+$|(~|\.orig|\.rej|\.log)$/.test(name);

function notFolder(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOTDIR") throw error;
}
