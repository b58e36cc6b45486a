import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { execa } from "execa";
import { openRepository } from "../../../operator/git.ts";

const FILE = "Pulumi.dev.yaml";
const COMMITTED = "a: 1\n# a comment\nb: 2\nc: 3\n";
const env = { PATH: process.env.PATH, HOME: "/nonexistent", GIT_CONFIG_NOSYSTEM: "1" };
const people = {
  author: { name: "Bob <b> Durand", email: "bob@example.org" },
  committer: { name: "Semail operator", email: "operator@example.org" },
};
const edit = (text: string) => text.replace("b: 2", "b: two");

async function repository(t: TestContext, below = ".") {
  const top = await mkdtemp(join(tmpdir(), "semail-git-"));
  t.after(() => rm(top, { recursive: true }));
  const root = join(top, below);
  await mkdir(root, { recursive: true });
  const git = async (...args: string[]) =>
    (
      await execa(
        "git",
        ["-C", root, "-c", "user.name=Admin", "-c", "user.email=admin@example.org", ...args],
        { env, extendEnv: false },
      )
    ).stdout;
  await git("init", "-q", "-b", "main", top);
  await writeFile(join(root, FILE), COMMITTED);
  await writeFile(join(root, "other.txt"), "other\n");
  await git("add", ".");
  await git("commit", "-qm", "first");
  const opened = await openRepository(root, FILE, env);
  assert.ok(opened);
  /** As the operator does: the file, then the commit. */
  const change = async (options: { branch?: string } = {}) => {
    const path = join(root, FILE);
    if (options.branch === undefined) await writeFile(path, edit(await readFile(path, "utf8")));
    return opened.commit({ file: FILE, message: "bob changes\n\nRequest: 1", edit, ...people, ...options });
  };
  return { root, git, change, opened };
}

/** A `git` that gets so many calls done and fails from then on, as for an operator that is killed. */
async function cutOff(t: TestContext, calls: number): Promise<typeof env> {
  const folder = await mkdtemp(join(tmpdir(), "semail-cut-"));
  t.after(() => rm(folder, { recursive: true }));
  const script = `#!/bin/sh
echo >> ${folder}/calls
[ $(wc -l < ${folder}/calls) -le ${calls} ] || exit 137
PATH=$(echo "$PATH" | cut -d: -f2-) exec git "$@"
`;
  await writeFile(join(folder, "git"), script, { mode: 0o755 });
  return { ...env, PATH: `${folder}:${env.PATH}` };
}

describe("a commit of the operator", () => {
  for (const below of [".", "deploy/mail"]) {
    it(`has the person as author and the one file (project in ${below})`, async (t) => {
      const { git, change } = await repository(t, below);
      await change();
      assert.equal(
        await git("log", "-1", "--format=%an|%ae|%cn|%s"),
        "Bob b Durand|bob@example.org|Semail operator|bob changes",
      );
      assert.match(
        await git("show", "--stat", "--format=", "HEAD"),
        /^ \S*Pulumi\.dev\.yaml \| 2 \+-\n 1 file changed/,
      );
      assert.equal(await git("status", "--porcelain"), "");
    });
  }

  it("leaves what others changed, in the same file and in others, uncommitted", async (t) => {
    const { root, git, change } = await repository(t);
    await writeFile(join(root, FILE), COMMITTED.replace("c: 3", "c: three"));
    await writeFile(join(root, "other.txt"), "changed\n");
    await change();
    assert.equal(await git("show", `HEAD:${FILE}`), edit(COMMITTED).trimEnd());
    assert.equal(await git("status", "--porcelain"), " M Pulumi.dev.yaml\n M other.txt");
    assert.match(await git("diff", FILE), /-c: 3\n\+c: three$/);
  });

  it("leaves what others staged staged, and not taken back by their next commit", async (t) => {
    const { root, git, change } = await repository(t);
    await writeFile(join(root, FILE), COMMITTED.replace("c: 3", "c: three"));
    await writeFile(join(root, "other.txt"), "staged\n");
    await git("add", ".");
    await change();
    assert.equal(await git("status", "--porcelain"), "M  Pulumi.dev.yaml\nM  other.txt");
    await git("commit", "-qm", "theirs");
    assert.equal(await git("show", `HEAD:${FILE}`), "a: 1\n# a comment\nb: two\nc: three");
  });

  it("is not made twice", async (t) => {
    const { git, change } = await repository(t);
    assert.ok(await change());
    assert.equal(await change(), undefined);
    assert.equal(await git("rev-list", "--count", "HEAD"), "2");
  });

  it("is not taken back by the next commit of somebody, wherever it was cut off", async (t) => {
    const has = async (git: (...args: string[]) => Promise<string>, what: string) =>
      (await git("show", `${what}:${FILE}`)).includes("b: two");
    const cutAfter = async (calls: number): Promise<"made" | "cut off"> => {
      const { root, git, change } = await repository(t);
      await writeFile(join(root, FILE), edit(COMMITTED));
      const cut = await openRepository(root, FILE, await cutOff(t, calls));
      const options = { file: FILE, message: "bob changes", edit, ...people };
      const ended = cut?.commit(options).then(
        () => "made" as const,
        () => "cut off" as const,
      );
      const outcome = (await ended) ?? "cut off";
      const was = await has(git, "HEAD");
      await writeFile(join(root, "other.txt"), "changed\n");
      await git("add", "other.txt");
      await git("commit", "-qm", "theirs");
      assert.ok(!was || (await has(git, "HEAD")), `taken back after ${calls} calls`);
      await change();
      assert.deepEqual([await has(git, "HEAD"), await has(git, "")], [true, true], `after ${calls} calls`);
      assert.equal(await git("status", "--porcelain"), "");
      return outcome;
    };
    const ends = await Promise.all(Array.from({ length: 16 }, (_, calls) => cutAfter(calls + 1)));
    assert.deepEqual([ends.at(0), ends.at(-1)], ["cut off", "made"]);
  });

  it("is not made while somebody else's git has the index, and is whole afterwards", async (t) => {
    const { root, git, change } = await repository(t);
    await writeFile(join(root, ".git/index.lock"), "");
    await assert.rejects(change(), /index\.lock/);
    await rm(join(root, ".git/index.lock"));
    assert.equal(await git("status", "--porcelain"), " M Pulumi.dev.yaml");
    assert.ok(await change());
    assert.equal(await git("status", "--porcelain"), "");
  });

  it("brings forward an index that was left behind", async (t) => {
    const { git, change } = await repository(t);
    await change();
    await git("reset", "-q", "HEAD~1", "--", FILE);
    assert.equal(await change(), undefined);
    assert.equal(await git("status", "--porcelain"), "");
  });

  it("goes to a branch of its own where it is to be approved, once", async (t) => {
    const { git, change } = await repository(t);
    const made = await change({ branch: "semail/create-bob-1" });
    assert.equal(await change({ branch: "semail/create-bob-1" }), made);
    assert.equal(await git("rev-parse", "semail/create-bob-1^"), await git("rev-parse", "main"));
    assert.equal(await git("status", "--porcelain"), "");
    await git("merge", "-q", "semail/create-bob-1");
    assert.equal(await git("show", `HEAD:${FILE}`), edit(COMMITTED).trimEnd());
  });

  it("tells which branches wait: none of others, nor one that was merged or deleted", async (t) => {
    const { git, change, opened } = await repository(t);
    assert.deepEqual(await opened.unmerged("semail/"), []);
    for (const branch of ["semail/update-bob-1", "semail/update-bob-2", "semail/update-eve-3"])
      await change({ branch });
    await git("branch", "of-others", "semail/update-bob-1");
    await git("branch", "semail-too", "semail/update-bob-1");
    await git("branch", "-D", "semail/update-bob-2");
    assert.deepEqual(await opened.unmerged("semail/"), ["semail/update-bob-1", "semail/update-eve-3"]);
    await git("reset", "-q", "--hard");
    await git("merge", "-q", "--no-ff", "-m", "approved", "semail/update-bob-1");
    assert.deepEqual(await opened.unmerged("semail/update-bob-1"), []);
  });

  it("is for files of a work tree only", async (t) => {
    const { root } = await repository(t);
    await writeFile(join(root, "Pulumi.new.yaml"), "");
    assert.equal(await openRepository(root, "Pulumi.new.yaml", env), undefined);
    const bare = await mkdtemp(join(tmpdir(), "semail-nogit-"));
    t.after(() => rm(bare, { recursive: true }));
    await writeFile(join(bare, FILE), COMMITTED);
    assert.equal(await openRepository(bare, FILE, env), undefined);
  });
});
