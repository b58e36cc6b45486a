/** A digest of the code that an update runs and builds images of. */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** Everything in the project's folder that decides what an update makes. */
const CODE = ["index.ts", "package.json", "components", "mailserver", "operator", "sdks", "stacks", "tools"];
/** What npm installed. */
const PACKAGES = "node_modules/.package-lock.json";

/** Of the project at `root`, in hexadecimal. The same files give the same digest, wherever they are. */
export async function projectCode(root: string): Promise<string> {
  const files = (await Promise.all([...CODE, PACKAGES].map((path) => filesAt(root, path)))).flat();
  const contents = await Promise.all(files.map((file) => readFile(join(root, file))));
  const digest = createHash("sha256");
  files.forEach((file, index) => {
    const content = contents[index] ?? Buffer.alloc(0);
    digest.update(`${file}\0${content.length}\0`).update(content);
  });
  return digest.digest("hex");
}

/** A file itself, or all below a folder but packages, sorted by name. */
async function filesAt(root: string, path: string): Promise<string[]> {
  const entries = await readdir(join(root, path), { withFileTypes: true }).catch(notFolder);
  if (!entries) return [path];
  const found = entries
    .filter(({ name }) => name !== "node_modules")
    .sort((one, other) => (one.name < other.name ? -1 : 1))
    .map((entry) => {
      const at = `${path}/${entry.name}`;
      if (entry.isDirectory()) return filesAt(root, at);
      return Promise.resolve(entry.isFile() ? [at] : []);
    });
  return (await Promise.all(found)).flat();
}

function notFolder(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOTDIR") throw error;
}
