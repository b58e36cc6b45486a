/** What jobs do where others have left, or hold, locks in the repository. */
import assert from "node:assert/strict";
import { PassThrough, Readable } from "node:stream";
import { describe, it } from "node:test";
import { exportDirectory, saveDirectory } from "../../../mailserver/backup/directory.ts";
import {
  exportBox,
  fetch,
  forget,
  type Job,
  list,
  save,
  type Tools,
} from "../../../mailserver/backup/jobs.ts";
import { EXIT, faultOf, type Restic } from "../../../mailserver/backup/restic.ts";

/** None of these asks what locks there are. */
const LOCKLESS = new Set(["init", "unlock"]);
const SNAPSHOT = {
  ...{ id: "a".repeat(64), short_id: "aaaaaaaa", time: "2026-03-10T12:00:00Z", hostname: "alice" },
  ...{ tags: ["mailbox"], paths: ["/srv/mail/.backup/hold"] },
};
const SUMMARY = {
  ...{ message_type: "summary", snapshot_id: "b".repeat(64) },
  ...{ total_bytes_processed: 1, data_added: 1, total_files_processed: 1 },
};

/** A repository with a lock in it, as restic sees it: only `unlock` asks whether that is stale. */
function repository(lock: "stale" | "live") {
  const ran: string[] = [];
  let locked = true;
  const restic: Restic = {
    async run({ args, onLine }) {
      const [command = ""] = args;
      ran.push(command);
      if (command === "unlock" && lock === "stale") locked = false;
      if (locked && !LOCKLESS.has(command) && !args.includes("--no-lock"))
        throw faultOf(EXIT.locked, "", "/r");
      if (command === "snapshots") onLine?.(JSON.stringify([SNAPSHOT]));
      if (command === "backup") onLine?.(JSON.stringify(SUMMARY));
      return 0;
    },
  };
  const keep = { last: 1, daily: 0, weekly: 0, monthly: 0 };
  const tools: Tools = {
    ...{ restic, settings: { repository: "s3:r", password: "p", keep }, home: "/srv/mail" },
    ...{ emit() {}, out: new PassThrough() },
  };
  return { tools, ran };
}

const job: Job = { uid: "alice", folder: undefined, snapshot: undefined };
const ldif = () => Readable.from(["dn: uid=alice\n"]);
const JOBS: readonly (readonly [name: string, writes: boolean, run: (tools: Tools) => Promise<void>])[] = [
  ["save", true, (tools) => save(job, tools)],
  ["save-directory", true, (tools) => saveDirectory(ldif(), {}, tools)],
  ["forget", true, (tools) => forget(job, tools)],
  ["list", false, (tools) => list(job, tools)],
  ["fetch", false, (tools) => fetch(job, tools)],
  ["export", false, (tools) => exportBox(job, tools)],
  ["export-directory", false, (tools) => exportDirectory({}, tools)],
];

describe("a lock in the repository", () => {
  for (const [name, writes, run] of JOBS) {
    it(`that a killed one left long ago is not in the way of ${name}`, async () => {
      await run(repository("stale").tools);
    });
    it(`of one that works has ${name} ${writes ? "say so" : "go on"}`, async () => {
      const { tools } = repository("live");
      if (writes) await assert.rejects(run(tools), /Another backup works/);
      else await run(tools);
    });
  }
});
