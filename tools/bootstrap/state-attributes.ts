/**
 * Pulumi's file backend keeps what it knows of each file in another beside it, of the name with `.attrs` behind
 * (gocloud.dev/blob/fileblob), which it writes in place: killed as it does, it leaves a part, and then can't read the
 * state itself ("failed to load checkpoint: EOF"). Without the file it reads the state as ever.
 */
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

const SUFFIX = ".attrs";

/** Removes what is left half written beside the states and locks in `backend`, also while Pulumi works there. */
export function removeHalfAttributes(backend: string): void {
  const top = join(backend, ".pulumi");
  // Not of the history, which is long, and which no update reads.
  const folders = [join(top, "stacks"), join(top, "locks")].filter((folder) => existsSync(folder));
  const below = folders.flatMap((folder) =>
    readdirSync(folder, { recursive: true }).map((name) => join(folder, String(name))),
  );
  for (const path of [...below, join(top, `meta.yaml${SUFFIX}`)])
    if (path.endsWith(SUFFIX) && isHalf(path)) rmSync(path, { force: true });
}

function isHalf(path: string): boolean {
  try {
    JSON.parse(readFileSync(path, "utf8"));
    return false;
  } catch (error) {
    // Gone meanwhile, or not ours to read.
    return error instanceof SyntaxError;
  }
}
