/** A repository on this host is written by the jobs of all boxes, each of which runs as the owner of its mail. */
import { chmod, readdir, stat } from "node:fs/promises";
import { join } from "node:path";

const GROUP = 0o070;

/** What the owner may, the group may, too; restic makes each further file as it finds `config`. */
const shared = (mode: number): number => (mode & ~GROUP) | ((mode & 0o700) >> 3);

/** Shares a repository that was just made; `config`, which goes last, says that it is done. */
export async function shareRepository(repository: string): Promise<void> {
  if (!repository.startsWith("/")) return;
  const config = join(repository, "config");
  if (((await stat(config)).mode & 0o040) !== 0) return;
  const below = await readdir(repository, { recursive: true });
  for (const path of [
    ...below.map((name) => join(repository, name)).filter((each) => each !== config),
    config,
  ])
    await chmod(path, shared((await stat(path)).mode & 0o777));
}
