/** Whether what a save took is all that was held for it. */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { describe, it } from "node:test";
import { type Event, list, save, type Tools } from "../../../mailserver/backup/jobs.ts";
import { hold } from "../../../mailserver/backup/mail-jobs.ts";
import { EXIT, type Restic } from "../../../mailserver/backup/restic.ts";
import { heldArguments } from "../../../tools/bootstrap/backup/box.ts";
import { snapshotLine } from "../../../tools/bootstrap/backup/events.ts";

const id = (letter: string) => letter.repeat(64);
const snapshot = (letter: string, tags: readonly string[], files: number) => ({
  ...{
    id: id(letter),
    short_id: letter.repeat(8),
    time: `2026-03-10T1${files % 10}:00:00Z`,
    hostname: "alice",
  },
  ...{ tags, paths: ["/h"], summary: { total_files_processed: files, total_bytes_processed: 1 } },
});
const LIST = [
  snapshot("a", ["mailbox"], 70),
  snapshot("b", ["mailbox", "files=98"], 61),
  snapshot("c", ["folder=Sent", "files=9"], 2),
  snapshot("d", ["mailbox", "files=98"], 98),
];

/** restic, which reads that many files and ends so. */
function repository({ files = 98, ends = 0 } = {}) {
  const ran: string[] = [];
  const events: Event[] = [];
  const restic: Restic = {
    async run({ args, onLine, accept = [] }) {
      const [command = ""] = args;
      if (command === "backup" || command === "forget") ran.push(args.join(" "));
      if (command === "snapshots") onLine?.(JSON.stringify(LIST));
      if (command !== "backup") return 0;
      const counts = { total_files_processed: files, total_bytes_processed: 1, data_added: 1 };
      onLine?.(JSON.stringify({ message_type: "summary", snapshot_id: id("e"), ...counts }));
      assert.ok([0, ...accept].includes(ends));
      return ends;
    },
  };
  const keep = { last: 1, daily: 0, weekly: 0, monthly: 0 };
  const tools: Tools = {
    ...{ restic, settings: { repository: "s3:r", password: "p", keep }, home: "/srv/mail" },
    ...{ emit: (event: Event) => void events.push(event), out: new PassThrough() },
  };
  return { tools, ran, events };
}

const job = { uid: "alice", folder: undefined, snapshot: undefined, messages: 90 };

describe("a mailbox is saved", () => {
  for (const [what, held, outcome, whole] of [
    ["when restic read every file that was held", 98, {}, true],
    ["when nobody said how many there are: a driver of before", undefined, {}, true],
    ["not when one was gone before restic saw it", 98, { files: 97 }, false],
    ["not when restic could not read one", 98, { files: 97, ends: EXIT.incomplete }, false],
    [
      "not when restic could not read one, and nobody said how many",
      undefined,
      { ends: EXIT.incomplete },
      false,
    ],
  ] as const)
    it(what, async () => {
      const { tools, ran, events } = repository(outcome);
      const saving = save({ ...job, files: held }, tools);
      if (whole) await saving;
      else await assert.rejects(saving, /Not all of the mail could be read: the snapshot eeeeeeee lacks/);
      assert.equal(
        events.some(({ kind }) => kind === "saved"),
        whole,
      );
      assert.equal(
        ran.some((args) => args.startsWith("forget")),
        whole,
      );
    });

  it("as the next of its kind, and takes no place of another's: parts go when there is a whole one", async () => {
    const { tools, ran } = repository();
    await save({ ...job, files: 98 }, tools);
    assert.deepEqual(ran, [
      "backup --json --ignore-ctime --one-file-system --host alice --tag mailbox,files=98 " +
        `--parent ${id("d")} /srv/mail/.backup/hold`,
      `forget --quiet ${id("b")}`,
      "forget --quiet --prune --host alice --tag mailbox --group-by host --keep-last 1",
    ]);
  });

  it("and a part is listed as one", async () => {
    const { tools, events } = repository();
    await list(job, tools);
    const lines = events.flatMap((event) =>
      event.kind === "snapshot" ? [snapshotLine("alice", event)] : [],
    );
    const columns = lines
      .map((line) => line.split(/ {2,}/).slice(1))
      .map(([short, , , what]) => [short, what]);
    assert.deepEqual(Object.fromEntries(columns), {
      aaaaaaaa: "all folders",
      bbbbbbbb: "all folders, not all of it",
      cccccccc: "Sent, not all of it",
      dddddddd: "all folders",
    });
  });

  it("with what was held being counted by the job that holds it", async () => {
    const home = await mkdtemp(join(tmpdir(), "semail-hold-"));
    try {
      for (const place of ["cur", "new", "tmp", ".Sent/cur", ".Sent/new"])
        await mkdir(join(home, "Maildir", place), { recursive: true });
      await mkdir(join(home, "sieve"));
      const files = ["Maildir/cur/1.a:2,S", "Maildir/new/2.a", "Maildir/.Sent/cur/3.a:2,", "sieve/one.sieve"];
      const records = ["Maildir/dovecot-uidlist", "Maildir/subscriptions"];
      for (const name of [...files, ...records, "Maildir/dovecot.index"])
        await writeFile(join(home, name), "x\n");
      await symlink("sieve/one.sieve", join(home, ".dovecot.sieve"));
      const events: Event[] = [];
      await hold(job, {
        ...{ home, emit: (event) => void events.push(event), now: () => Date.now() + 60_000 },
        ...{ pause: async () => {}, share: async () => {}, sync: async () => {}, word: async () => "" },
      });
      const [event] = events;
      assert.ok(event?.kind === "held");
      assert.deepEqual(heldArguments(event), ["--messages", "3", "--files", "6"]);
    } finally {
      await rm(home, { recursive: true });
    }
  });
});
