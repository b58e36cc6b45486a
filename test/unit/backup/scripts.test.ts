/** Sieve scripts, out of a box into a snapshot and back. */
import assert from "node:assert/strict";
import { cp, mkdir, mkdtemp, readdir, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, describe, it } from "node:test";
import { hold, type MailTools, merge } from "../../../mailserver/backup/mail-jobs.ts";
import { holdOf, restoredOf } from "../../../mailserver/backup/scratch.ts";

const root = await mkdtemp(join(tmpdir(), "semail-t-"));
after(() => rm(root, { recursive: true, force: true }));

const JOB = { uid: "alice", folder: undefined, snapshot: undefined };
const tools = (home: string, word: MailTools["word"]): MailTools => ({
  ...{ home, word, emit() {}, now: () => Date.now() + 60_000 },
  ...{ pause: async () => {}, share: async () => {}, sync: async () => {} },
});

/** Makes a home with that below it; a name that ends in `/` is a directory. */
async function make(home: string, names: readonly string[]): Promise<void> {
  for (const place of ["tmp", "cur", "new"]) await mkdir(join(home, "Maildir", place), { recursive: true });
  for (const name of names) {
    const path = join(home, name);
    await mkdir(name.endsWith("/") ? path : dirname(path), { recursive: true });
    if (!name.endsWith("/")) await writeFile(path, "keep;\n");
  }
}

/** Has what lies there put back into a box. */
function putBack(home: string, saved: string): Promise<void> {
  const word = async () => {
    await cp(saved, restoredOf(home), { recursive: true, verbatimSymlinks: true });
    return JSON.stringify({ id: "12345678", time: "2026-01-31T10:20:30Z" });
  };
  return merge(JOB, tools(home, word));
}

const SCRIPTS = ["sieve/aaa.sieve", "sieve/zzz.sieve"];
const cases: readonly (readonly [name: string, saved: readonly string[], there: readonly string[]])[] = [
  ["scripts alone", SCRIPTS, []],
  ["the directory that Pigeonhole works in", [...SCRIPTS, "sieve/tmp/"], []],
  [
    "that directory with something in it, and another",
    [...SCRIPTS, "sieve/tmp/half.sieve", "sieve/old/"],
    [],
  ],
  ["that directory, which the box has, too", [...SCRIPTS, "sieve/tmp/"], ["sieve/tmp/"]],
  ["a directory that is a script of the box", [...SCRIPTS, "sieve/mmm.sieve/"], ["sieve/mmm.sieve"]],
];

describe("a snapshot of", () => {
  for (const [number, [name, saved, there]] of cases.entries())
    it(`${name} puts every script back, and the choice of the active one`, async () => {
      const [old, box] = [join(root, `old-${number}`), join(root, `box-${number}`)];
      await make(old, saved);
      await symlink("sieve/zzz.sieve", join(old, ".dovecot.sieve"));
      await make(box, there);
      await putBack(box, old);
      const names = await readdir(join(box, "sieve"));
      assert.deepEqual(names.filter((each) => /^(aaa|zzz)/.test(each)).sort(), ["aaa.sieve", "zzz.sieve"]);
      assert.equal(await readlink(join(box, ".dovecot.sieve")), "sieve/zzz.sieve");
    });
});

it("a box's scripts are saved, and what else is beside them is not", async () => {
  const home = join(root, "held");
  await make(home, [...SCRIPTS, "sieve/tmp/half.sieve"]);
  await symlink("/etc/passwd", join(home, "sieve/link.sieve"));
  await symlink("sieve/zzz.sieve", join(home, ".dovecot.sieve"));
  let held: string[] = [];
  let active = "";
  const look = async () => {
    held = await readdir(join(holdOf(home), "sieve"));
    active = await readlink(join(holdOf(home), ".dovecot.sieve"));
    return "";
  };
  await hold(JOB, tools(home, look));
  assert.deepEqual(held.sort(), ["aaa.sieve", "zzz.sieve"]);
  assert.equal(active, "sieve/zzz.sieve");
});
