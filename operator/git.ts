/**
 * Commits a person's change of the stack file, and nothing else: what others changed in the same file or staged stays
 * theirs, since the commit is made of the committed text and not of the file.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";

/** How a commit is made. */
export interface CommitOptions {
  /** Relative to the work tree's folder. */
  readonly file: string;
  readonly message: string;
  readonly author: { readonly name: string; readonly email: string };
  readonly committer: { readonly name: string; readonly email: string };
  /** What becomes of the committed text; undefined when nothing. */
  readonly edit: (text: string) => string;
  /** A new branch for it; undefined puts it on the branch that is checked out. */
  readonly branch?: string;
}

export interface Repository {
  /** The commit's id; undefined when the text is as wanted already. */
  commit(options: CommitOptions): Promise<string | undefined>;
  /** Branches whose names begin so, up to a slash, and that HEAD doesn't have. */
  unmerged(prefix: string): Promise<string[]>;
}

/** The work tree at `root`; undefined when there is none, or when the file isn't part of it. */
export async function openRepository(
  root: string,
  file: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Repository | undefined> {
  const git = (
    args: readonly string[],
    options: { input?: string; env?: Record<string, string | undefined> } = {},
  ) =>
    execa("git", ["-C", root, "-c", "core.quotePath=false", ...args], {
      env: { ...env, ...options.env },
      extendEnv: false,
      stripFinalNewline: false,
      ...(options.input === undefined ? { stdin: "ignore" as const } : { input: options.input }),
    }).then(({ stdout }) => stdout);
  const tracked = await git(["ls-files", "--error-unmatch", "--", file]).catch(() => undefined);
  if (tracked === undefined) return undefined;
  return {
    commit: (options) => commit(git, options),
    unmerged: async (prefix) => {
      const names = ["--no-merged", "HEAD", "--format=%(refname:lstrip=2)", `refs/heads/${prefix}`];
      return (await git(["for-each-ref", ...names])).split("\n").filter((name) => name !== "");
    },
  };
}

type Git = (
  args: readonly string[],
  options?: { input?: string; env?: Record<string, string | undefined> },
) => Promise<string>;

/** `./` makes git read the path from the folder that it runs in, which may be one below the top. */
async function commit(git: Git, options: CommitOptions): Promise<string | undefined> {
  const { file, author, committer, message, branch } = options;
  const line = async (...args: string[]) => (await git(args)).trim();
  if (branch !== undefined) {
    const known = await line("for-each-ref", "--format=%(objectname)", `refs/heads/${branch}`);
    if (known !== "") return known;
  }
  const head = await line("rev-parse", "HEAD");
  const old = await git(["show", `HEAD:./${file}`]);
  const text = options.edit(old);
  const mode = (await line("ls-tree", "HEAD", "--", file)).split(/\s/)[0] ?? "100644";
  const path = `${await line("rev-parse", "--show-prefix")}${file}`;
  // Before HEAD, so that no cut leaves an index behind it; and without a commit, too, for one that was left.
  if (branch === undefined) await updateIndex(git, { ...options, path, mode });
  if (text === old) return undefined;
  const blob = (await git(["hash-object", "-w", "--stdin"], { input: text })).trim();
  const tree = await treeWith(git, { head, path, mode, blob });
  const made = (
    await git(["commit-tree", tree, "-p", head, "-F", "-"], {
      input: `${message}\n`,
      env: {
        GIT_AUTHOR_NAME: plain(author.name),
        GIT_AUTHOR_EMAIL: plain(author.email),
        GIT_COMMITTER_NAME: plain(committer.name),
        GIT_COMMITTER_EMAIL: plain(committer.email),
      },
    })
  ).trim();
  if (branch !== undefined) {
    await git(["update-ref", `refs/heads/${branch}`, made, ""]);
    return made;
  }
  // Fails when somebody else committed meanwhile; their commit stays.
  await git(["update-ref", "-m", message.split("\n")[0] ?? "", "HEAD", made, head]);
  return made;
}

/** The tree of HEAD with one file of another content. An index of its own: the real one holds what others staged. */
async function treeWith(
  git: Git,
  args: { head: string; path: string; mode: string; blob: string },
): Promise<string> {
  const folder = (await git(["rev-parse", "--absolute-git-dir"])).trim();
  const index = join(folder, "semail-operator-index");
  // What a killed run left.
  const clear = () => {
    for (const path of [index, `${index}.lock`]) rmSync(path, { force: true });
  };
  clear();
  try {
    const env = { GIT_INDEX_FILE: index };
    await git(["read-tree", args.head], { env });
    await git(["update-index", "--cacheinfo", `${args.mode},${args.blob},${args.path}`], { env });
    return (await git(["write-tree"], { env })).trim();
  } finally {
    clear();
  }
}

/** What is staged gets the change too, or the next commit of somebody would take it back. */
async function updateIndex(git: Git, options: CommitOptions & { path: string; mode: string }): Promise<void> {
  const staged = await git(["show", `:./${options.file}`]);
  const text = options.edit(staged);
  if (text === staged) return;
  const blob = (await git(["hash-object", "-w", "--stdin"], { input: text })).trim();
  await git(["update-index", "--cacheinfo", `${options.mode},${blob},${options.path}`]);
}

/** Git reads these as lines with the address in angle brackets. */
function plain(text: string): string {
  return text.replaceAll(/[<>\p{Cc}]/gu, "").trim() || "unknown";
}
