/**
 * Limits of a disk by a real engine. Which file system this machine has is its own affair: these volumes are on one in
 * memory, which limits nobody. A kernel that does is in the VM's test (test/vm/stack.ts).
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import * as crud from "../../../components/providers/disk-limit/crud.ts";
import { openLab } from "../../support/docker.ts";
import { runImage } from "../images/images.ts";

const lab = openLab();
after(() => lab.cleanup());

const USER = 1_900_000_123;
const WHY = "tmpfs on tmpfs has no quotas for users";
let inputs = { guard: "", volume: "", user: USER, bytes: 4_096, files: 10, required: false, engine: "" };

before(async () => {
  const guard = await runImage(lab, "guard", { health: false });
  const volume = lab.name();
  const memory = { type: "tmpfs", device: "tmpfs" };
  await lab.docker.createVolume({ Name: volume, Labels: lab.labels, DriverOpts: memory });
  inputs = { ...inputs, guard: guard.id, volume };
});

const leftOver = () => lab.docker.listContainers({ all: true, filters: { volume: [inputs.volume] } });

describe("the limit of a disk, asked of an engine", () => {
  it("says why the volume's file system limits nobody, and leaves no container", async () => {
    const { outs } = await crud.create(inputs);
    assert.deepEqual([outs.limit, outs.why], ["none", WHY]);
    assert.deepEqual(await leftOver(), []);
    assert.deepEqual(await crud.read("1", outs), { id: "1", props: outs });
    await crud.delete("1", outs);
  });

  it("fails an update that requires it", async () => {
    await assert.rejects(crud.create({ ...inputs, required: true }), new RegExp(WHY));
    assert.deepEqual(await leftOver(), []);
  });

  it("may be looked at while it is set", async () => {
    const [made, seen] = await Promise.all([
      crud.create(inputs),
      crud.read("1", { ...inputs, limit: "none" }),
    ]);
    assert.deepEqual([made.outs.why, (seen as { props: { why: string } }).props.why], [WHY, WHY]);
    assert.deepEqual(await leftOver(), []);
  });

  it("makes no volume where there is none", async () => {
    const missing = { ...inputs, volume: lab.name() };
    await assert.rejects(crud.create(missing), /can't limit the disk of user 1900000123: .*no such volume/);
    assert.deepEqual(await crud.read("1", missing), {});
    await crud.delete("1", missing);
    await assert.rejects(lab.docker.getVolume(missing.volume).inspect(), { statusCode: 404 });
  });

  it("needs the guard, without which there is none", async () => {
    const orphaned = { ...inputs, guard: "semail-t-nobody" };
    await assert.rejects(crud.create(orphaned), /can't limit the disk of user 1900000123: .*semail-t-nobody/);
    assert.deepEqual(await crud.read("1", orphaned), {});
    await crud.delete("1", orphaned);
  });
});

const WRONG: readonly (readonly [what: string, args: string[], said: RegExp])[] = [
  ["nobody", [], /wants a user id/],
  ["one limit alone", [String(USER), "5"], /wants a user id, or that and two limits/],
  ["root", ["0"], /not a user id: 0/],
  ["an option", ["-a"], /not a user id: -a/],
  ["a size with a unit", [String(USER), "5M", "0"], /not a number of KiB: 5M/],
  ["fewer files than none", [String(USER), "5", "-1"], /not a number of files: -1/],
];

describe("limit-disk refuses", () => {
  for (const [what, args, said] of WRONG) {
    it(what, async () => {
      const container = await runImage(lab, "guard", {
        ...{ health: false, entrypoint: ["/usr/local/bin/limit-disk"], cmd: args },
      });
      assert.equal(await container.wait(), 64);
      assert.match(await container.logs(), new RegExp(`^limit-disk: ${said.source}`));
    });
  }
});
