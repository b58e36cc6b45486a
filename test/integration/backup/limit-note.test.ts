/** What is noted on an engine of a disk's limit, while that is away for a restore. */
import assert from "node:assert/strict";
import { after, it } from "node:test";
import { limitAllAgain, openDisk } from "../../../tools/bootstrap/backup/disk-limit.ts";
import { openLab } from "../../support/docker.ts";
import { runImage } from "../images/images.ts";

const lab = openLab();
after(() => lab.cleanup());

it("a limit is noted until it is in force again", async () => {
  const prefix = lab.name();
  const { docker, labels } = lab;
  const disk = openDisk({ docker, prefix }, "alice", 1_900_000_124);
  const limit = { kib: 3_407_872, files: 589_000 };
  await disk.note({ kib: 1, files: 1 });
  await disk.note(limit);
  assert.deepEqual(await disk.noted(), limit);
  // Without a guard nobody can set it; nor where the file system limits nobody, as one in memory.
  assert.deepEqual(await limitAllAgain(docker, prefix), []);
  const guard = await runImage(lab, "guard", { health: false });
  await docker.getContainer(guard.id).rename({ name: `${prefix}-guard` });
  const DriverOpts = { type: "tmpfs", device: "tmpfs" };
  await docker.createVolume({ Name: `${prefix}-mail-alice`, Labels: labels, DriverOpts });
  assert.deepEqual(await limitAllAgain(docker, prefix), []);
  assert.deepEqual(await disk.noted(), limit);
  await disk.forget();
  assert.equal(await disk.noted(), undefined);
});
