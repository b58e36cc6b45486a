import assert from "node:assert/strict";
import { statfsSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { DiskRoom } from "../../../mailserver/queue/room.ts";
import { temporaryFolder } from "../../support/queue.ts";

test("messages are taken in while log, database and a reserve have room, and not after", async () => {
  await using folder = await temporaryFolder();
  const log = join(folder.path, "queue.sqlite-wal");
  writeFileSync(log, "");
  const room = new DiskRoom(folder.path, "queue.sqlite-wal");
  const { bavail, bsize } = statfsSync(folder.path);
  const free = bavail * bsize;
  const half = Math.floor(free / 2);
  // Others write to this disk too: nothing here is near the limit.
  assert.equal(room.has(1_000, 0), true);
  assert.equal(room.has(half, 0), false, "twice the message fills the disk, and nothing is left in reserve");
  assert.equal(room.has(half, half), true, "pages of the database that are free are used again");
  // A sparse file: as long as the disk, without taking any of it.
  truncateSync(log, free);
  assert.equal(room.has(1_000, 0), false, "the log has to fit into the database");
});
