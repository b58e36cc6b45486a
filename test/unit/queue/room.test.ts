import assert from "node:assert/strict";
import { statfsSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { DiskRoom, NoRoom } from "../../../mailserver/queue/room.ts";
import { temporaryFolder } from "../../support/queue.ts";

test("messages are taken in while log, database and a reserve have room, and not after", async () => {
  await using folder = await temporaryFolder();
  const log = join(folder.path, "queue.sqlite-wal");
  writeFileSync(log, "");
  let reusable = 0;
  const room = new DiskRoom({ dir: folder.path, log: "queue.sqlite-wal", reusable: () => reusable });
  const { bavail, bsize } = statfsSync(folder.path);
  const free = bavail * bsize;
  const half = Math.floor(free / 2);
  // Others write to this disk too: nothing here is near the limit.
  assert.equal(room.has(1_000), true);
  assert.equal(room.has(half), false, "twice the message fills the disk, and nothing is left in reserve");
  reusable = half;
  assert.equal(room.has(half), true, "pages of the database that are free are used again");
  reusable = 0;
  // A sparse file: as long as the disk, without taking any of it.
  truncateSync(log, free);
  assert.equal(room.has(1_000), false, "the log has to fit into the database");
});

test("what was granted to a transaction is taken without asking again, and nothing beyond it", async () => {
  await using folder = await temporaryFolder();
  const log = join(folder.path, "queue.sqlite-wal");
  writeFileSync(log, "");
  const room = new DiskRoom({ dir: folder.path, log: "queue.sqlite-wal", reusable: () => 0 });
  const { bavail, bsize } = statfsSync(folder.path);
  assert.equal(room.grant(3_000), true);
  truncateSync(log, bavail * bsize);
  room.take(1_000);
  room.take(2_000);
  assert.throws(() => room.take(1), NoRoom, "the grant is used up");
  assert.equal(room.grant(3_000), false);
  assert.throws(() => room.take(1_000), NoRoom, "what was not granted is asked for one by one");
});
