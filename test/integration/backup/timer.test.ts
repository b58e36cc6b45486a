/** The schedule: its own timer has everybody saved, on the engine, and tells of what failed. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Client } from "ldapts";
import { exposition, snapshot } from "../../../mailserver/metrics/exposition.ts";
import { createMeter } from "../../../mailserver/metrics/meter.ts";
import type { Log, LogFields } from "../../../mailserver/net/log.ts";
import { openMemory } from "../../../operator/backup-timer/memory.ts";
import { type BackupTimer, startTimer } from "../../../operator/backup-timer/timer.ts";
import { openLab } from "../../support/docker.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { ADMIN_PASSWORD, healthy, PEOPLE, SUFFIX } from "../images/images.ts";
import { person } from "../images/people.ts";
import { type BackupSite, openBackup } from "./site.ts";

const lab = openLab();
const root = await mkdtemp(join(tmpdir(), "semail-t-"));
after(async () => {
  await lab.cleanup();
  await rm(root, { recursive: true, force: true });
});

const START = Date.parse("2026-03-10T12:00:00Z");

interface Line extends LogFields {
  readonly event: string;
}

/** Remembers what it is told, and lets a test wait for it. */
class Lines {
  readonly all: Line[] = [];
  #read = 0;
  #told = Promise.withResolvers<void>();

  readonly log: Log = (() => {
    const write = (event: string, fields: LogFields = {}): void => {
      this.all.push({ ...fields, event });
      this.#told.resolve();
    };
    return { debug: write, info: write, warn: write, error: write };
  })();

  /** What was told since the last call, up to and including that event. */
  async until(event: string): Promise<Line[]> {
    for (;;) {
      const end = this.all.findIndex((line, at) => at >= this.#read && line.event === event);
      if (end >= 0) {
        const lines = this.all.slice(this.#read, end + 1);
        this.#read = end + 1;
        return lines;
      }
      this.#told = Promise.withResolvers<void>();
      await this.#told.promise;
    }
  }
}

describe("the backup's timer", () => {
  const prefix = lab.name();
  const lines = new Lines();
  const meter = createMeter();
  const clock = new FakeClock(START);
  const ending = new AbortController();
  let site: BackupSite;
  let timer: BackupTimer;

  const start = () =>
    startTimer({
      ...{ times: ["02:30"], memory: openMemory(root), clock, log: meter.metered(lines.log) },
      place: { docker: lab.docker, prefix, signal: ending.signal },
    });
  /** Lets time pass until it has done something. */
  const run = async (): Promise<Line[]> => {
    let done = false;
    const told = lines.until("backup.waiting").finally(() => {
      done = true;
    });
    // Jumps from look to look until the run begins, which sets no timer until it has ended.
    while (!done && clock.armed) {
      await clock.jump();
      await new Promise((resolve) => setImmediate(resolve));
    }
    return told;
  };
  const metric = async (name: string) => {
    const page = await exposition([await snapshot(meter.registry)]);
    return Number(new RegExp(`^${name} (.*)$`, "m").exec(page)?.[1]);
  };
  const snapshots = async () =>
    (await site.run("list")).filter((line) => /^alice {2,}[0-9a-f]{8} /.test(line)).length;

  before(async () => {
    const kinds = { "io.semail.stack": prefix, "io.semail.kind": "mail" };
    const volume = `${prefix}-mail-alice`;
    await lab.docker.createVolume({ Name: volume, Labels: { ...lab.labels, ...kinds } });
    await healthy(lab, "box", { volumes: { "/srv/mail": volume } });
    const directory = await healthy(lab, "directory", { volumes: { "/var/lib/ldap": await lab.volume() } });
    await lab.docker.getContainer(directory.id).rename({ name: `${prefix}-directory` });
    const client = new Client({ url: `ldap://127.0.0.1:${await directory.port("389/tcp")}` });
    await client.bind(`cn=admin,${SUFFIX}`, ADMIN_PASSWORD);
    await client.add(`uid=alice,${PEOPLE}`, person("alice"));
    await client.unbind();
    site = await openBackup(lab, { prefix, root });
  });
  after(() => timer?.close());

  it("saves everybody and the directory at once, where nothing ever was", async () => {
    timer = start();
    assert.deepEqual((await lines.until("backup.waiting")).at(-1)?.failed, []);
    const told = await lines.until("backup.waiting");
    const saved = told.filter(({ event }) => event === "backup.saved").map(({ what }) => what);
    assert.deepEqual(saved, ["alice", "the directory"], JSON.stringify(told));
    assert.equal(told.at(-1)?.next, "2026-03-11T02:30:00.000Z");
    assert.equal(await snapshots(), 1);
    assert.equal(await metric("semail_backup_saved_seconds"), START / 1_000);
    assert.equal(await metric("semail_backup_unsaved"), 0);
  });

  it("does so again when its time has come, and not before", async () => {
    const told = await run();
    assert.equal(new Date(clock.now()).toISOString(), "2026-03-11T02:30:00.000Z");
    assert.equal(told.at(-1)?.next, "2026-03-12T02:30:00.000Z");
    assert.equal(await snapshots(), 2);
    assert.equal(await metric("semail_backup_saved_seconds"), clock.now() / 1_000);
  });

  it("tells what could not be saved and why, in log and metrics, saves the rest, and tries again", async () => {
    const good = clock.now();
    await lab.docker.createVolume({
      Name: `${prefix}-mail-bob`,
      Labels: { ...lab.labels, "io.semail.stack": prefix, "io.semail.kind": "mail" },
    });
    await site.configure({ password: "another" });
    const told = await run();
    const failed = told.filter(({ event }) => event === "backup.failed");
    assert.deepEqual(
      failed.map(({ what }) => what),
      ["alice", "bob", "the directory"],
    );
    assert.match(String(failed[0]?.cause), /password does not open/);
    assert.match(String(failed[0]?.remedy), /backupPassword/);
    assert.doesNotMatch(JSON.stringify(told), /another"/);
    assert.equal(await metric("semail_backup_unsaved"), 3);
    assert.equal(await metric("semail_backup_saved_seconds"), good / 1_000);
    assert.match(String(told.at(-1)?.next), /^2026-03-12T03:00/);
  });

  it("remembers over a restart, and is well again when all was saved", async () => {
    await timer.close();
    await site.configure({});
    await lab.docker.getVolume(`${prefix}-mail-bob`).remove();
    timer = start();
    assert.deepEqual((await lines.until("backup.waiting")).at(-1)?.failed, ["alice", "bob", "the directory"]);
    const told = await run();
    assert.deepEqual(told.at(-1)?.failed, []);
    assert.equal(await metric("semail_backup_unsaved"), 0);
    assert.equal(await metric("semail_backup_saved_seconds"), clock.now() / 1_000);
    // More than are to be kept: the directory was just made.
    assert.equal(await snapshots(), 3);
  });
});
