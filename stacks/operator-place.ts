/** Where the operator's container finds what `npm run up` finds on this machine: everything at the same path. */
import { existsSync } from "node:fs";
import { access, readdir, readFile, realpath, stat } from "node:fs/promises";
import { delimiter, dirname, isAbsolute, join, relative } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";

const Bind = z.strictObject({ path: z.string().startsWith("/"), readOnly: z.boolean() });

/** What the container is given of the machine. */
export const OperatorPlace = z.strictObject({
  /** The checkout. */
  root: z.string().startsWith("/"),
  stack: z.string().min(1),
  /** The checkout's owner, so that what the operator writes is theirs. */
  user: z.int().min(0),
  /** Who may use the engine's socket. */
  group: z.int().min(0),
  binds: z.array(Bind),
  /** PATH in the container. */
  path: z.string(),
  pulumiHome: z.string().startsWith("/"),
});
export type OperatorPlace = z.infer<typeof OperatorPlace>;

type Env = Readonly<Record<string, string | undefined>>;

const SOCKET = "/var/run/docker.sock";
/** Folders that the image has itself: of these only Pulumi's own files are taken. */
const SYSTEM = new Set(["/bin", "/usr/bin", "/usr/local/bin"]);

/**
 * Looks the machine over. In the operator's container, where the program runs too, the answer is the one that the
 * container was made with; another would replace it.
 */
export async function findOperatorPlace(
  env: Env,
  root: string,
  stack: string,
  socket = SOCKET,
): Promise<OperatorPlace> {
  if (env.SEMAIL_OPERATOR_PLACE) return OperatorPlace.parse(JSON.parse(env.SEMAIL_OPERATOR_PLACE));
  checkState(env, root);
  const pulumi = await folderOf("pulumi", env);
  const pulumiHome = env.PULUMI_HOME || join(root, ".semail", "pulumi-home");
  const outside = async (path: string, readOnly: boolean) => {
    const real = await realpath(path).catch(() => undefined);
    return real === undefined || isBelow(real, root) ? [] : [{ path: real, readOnly }];
  };
  const more = (env.SEMAIL_OPERATOR_MOUNTS ?? "").split(delimiter).filter(isAbsolute);
  const binds = [
    { path: root, readOnly: false },
    ...(await outside(join(root, "node_modules"), true)),
    ...(await gitFolder(root).then((path) => (path === undefined ? [] : outside(path, false)))),
    ...(await outside(pulumiHome, false)),
    ...(await Promise.all((await plugins(pulumiHome)).map((path) => outside(path, true)))).flat(),
    ...(await toolchain(pulumi)),
    ...more.map((path) => ({ path, readOnly: true })),
    { path: socket, readOnly: false },
  ];
  return {
    root,
    stack,
    user: (await stat(root)).uid,
    group: (await stat(socket)).gid,
    binds: [...new Map(binds.map((bind) => [bind.path, bind])).values()],
    path: [...new Set(["/usr/local/bin", pulumi, "/usr/bin", "/bin"])].join(delimiter),
    pulumiHome,
  };
}

/** The operator works on the checkout's own state, with the passphrase that lies beside it. */
function checkState(env: Env, root: string): void {
  const engine = env.DOCKER_HOST;
  const faults = [
    ...(env.PULUMI_BACKEND_URL === `file://${join(root, ".semail", "state")}`
      ? []
      : ["the stack's state is not kept in .semail of the checkout, where `npm run up` keeps it"]),
    ...(existsSync(join(root, ".semail", "passphrase"))
      ? []
      : ["there is no .semail/passphrase, since PULUMI_CONFIG_PASSPHRASE was set when the stack was made"]),
    ...(!engine || engine === `unix://${SOCKET}`
      ? []
      : [`DOCKER_HOST is not the engine of this machine's ${SOCKET}`]),
  ];
  if (faults.length > 0)
    throw new pulumi.RunError(
      `semail:portal.enabled: the operator can't run here: ${faults.join("; ")}. Change that, or set semail:portal.enabled to false.`,
    );
}

const isBelow = (path: string, folder: string): boolean => !relative(folder, path).startsWith("..");

async function folderOf(program: string, env: Env): Promise<string> {
  for (const folder of (env.PATH ?? "").split(delimiter).filter(isAbsolute)) {
    const found = await access(join(folder, program)).then(
      () => true,
      () => false,
    );
    if (found) return folder;
  }
  throw new pulumi.RunError(`semail:portal.enabled: there is no ${program} on PATH for the operator to run.`);
}

async function toolchain(folder: string): Promise<OperatorPlace["binds"]> {
  if (!SYSTEM.has(folder)) return [{ path: folder, readOnly: true }];
  const files = (await readdir(folder)).filter((name) => name.startsWith("pulumi"));
  return files.sort().map((name) => ({ path: join(folder, name), readOnly: true }));
}

/** Plugins, of which some are links to where the user has them. Files beside them tell when they were used, and come and go. */
async function plugins(home: string): Promise<string[]> {
  const folder = join(home, "plugins");
  const found = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return found.flatMap((each) => (each.isFile() ? [] : [join(folder, each.name)])).sort();
}

/** The repository's own folder; a linked work tree has it elsewhere. */
async function gitFolder(root: string): Promise<string | undefined> {
  for (let folder = root; ; folder = dirname(folder)) {
    const found = join(folder, ".git");
    const kind = await stat(found).catch(() => undefined);
    if (kind?.isDirectory()) return found;
    if (kind?.isFile()) {
      const link = /^gitdir: (.*)$/m.exec(await readFile(found, "utf8"))?.[1];
      // …/.git/worktrees/NAME
      return link === undefined ? undefined : dirname(dirname(link));
    }
    if (folder === dirname(folder)) return undefined;
  }
}
