import assert from "node:assert/strict";
import { test } from "node:test";
import { Disk } from "../../crash/power/disk.ts";
import type { Note } from "../../crash/power/trace.ts";

const PATH = "/q/a";
const FILE = 7;
const FOLDER = 8;
const opened: Note = { kind: "opened", file: FILE, path: PATH };
const created: Note = { kind: "created", file: FILE, path: PATH };
const wrote = (text: string, at = 0): Note => ({
  ...{ kind: "wrote", process: 1, file: FILE, at },
  bytes: Buffer.from(text),
});
const truncated = (size: number): Note => ({ kind: "truncated", process: 1, file: FILE, size });
const began = (sync: number, file = FILE): Note => ({ kind: "began", process: 1, file, sync });
const synced = (sync: number, file = FILE): Note => ({ kind: "synced", process: 1, file, sync });
const folderSynced: Note[] = [
  { kind: "opened", file: FOLDER, path: "/q" },
  began(9, FOLDER),
  synced(9, FOLDER),
];

/** What is in the file after a power cut that spares nothing; undefined when it is gone. */
const CASES: readonly { name: string; before?: string; notes: Note[]; left: string | undefined }[] = [
  {
    name: "what was written and not synced is lost",
    before: "old",
    notes: [opened, wrote("new")],
    left: "old",
  },
  {
    name: "what was synced is there",
    ...{ before: "old", notes: [opened, wrote("new"), began(1), synced(1)], left: "new" },
  },
  {
    name: "a sync that did not end proves nothing",
    ...{ before: "old", notes: [opened, wrote("new"), began(1)], left: "old" },
  },
  {
    name: "a sync does not cover what was written after it began",
    ...{ before: "old", notes: [opened, wrote("n"), began(1), wrote("n", 1), synced(1)], left: "nld" },
  },
  {
    name: "a second sync covers the rest alone",
    before: "old",
    notes: [opened, wrote("n"), began(1), wrote("n", 1), synced(1), began(2), synced(2)],
    left: "nnd",
  },
  {
    name: "a cut file is cut after a sync only",
    ...{ before: "old", notes: [opened, truncated(1)], left: "old" },
  },
  {
    name: "a file that was cut and synced is short",
    ...{ before: "old", notes: [opened, truncated(1), began(1), synced(1)], left: "o" },
  },
  {
    name: "a new file whose folder was not synced is gone, synced or not",
    ...{ notes: [created, wrote("new"), began(1), synced(1)], left: undefined },
  },
  {
    name: "a new file whose folder was synced is there, and empty without a sync of its own",
    ...{ notes: [created, wrote("new"), ...folderSynced], left: "" },
  },
  {
    name: "a removal is undone without a sync of the folder",
    ...{ before: "old", notes: [{ kind: "removed", path: PATH }], left: "old" },
  },
  {
    name: "a removal holds after a sync of the folder",
    ...{ before: "old", notes: [{ kind: "removed", path: PATH }, ...folderSynced], left: undefined },
  },
];

for (const { name, before, notes, left } of CASES) {
  test(name, () => {
    const tree = new Map<string, Buffer | "folder">([["/q", "folder"]]);
    if (before !== undefined) tree.set(PATH, Buffer.from(before));
    const disk = new Disk(tree);
    for (const note of notes) disk.note(note);
    assert.equal(
      disk
        .after(() => false)
        .get(PATH)
        ?.toString(),
      left,
    );
  });
}

test("of a change that was not synced, single sectors may be left", () => {
  const disk = new Disk(
    new Map<string, Buffer | "folder">([
      ["/q", "folder"],
      [PATH, Buffer.alloc(1_024, "o")],
    ]),
  );
  for (const note of [opened, wrote("n".repeat(1_024))]) disk.note(note);
  let asked = 0;
  const left = disk.after(() => asked++ === 1);
  assert.equal(left.get(PATH)?.toString(), "o".repeat(512) + "n".repeat(512));
});

test("the last change of a killed process may be missing, and no other", () => {
  const disk = new Disk(
    new Map<string, Buffer | "folder">([
      ["/q", "folder"],
      [PATH, Buffer.from("old")],
    ]),
  );
  for (const note of [opened, wrote("first"), wrote("xy", 1)]) disk.note(note);
  assert.deepEqual(disk.unfinished(), [{ path: PATH, from: 1, to: 3 }]);
});
