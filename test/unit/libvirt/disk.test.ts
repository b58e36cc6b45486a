import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { Ended } from "../../../components/providers/libvirt/host.ts";
import * as disk from "../../../components/providers/libvirt-disk/crud.ts";
import { FakeHost, NAME, type Script, site } from "./support.ts";

const GIB = 2 ** 30;
const info = (gib: number, format = "qcow2"): readonly [RegExp, Partial<Ended>] => [
  /^qemu-img info/,
  { stdout: JSON.stringify({ format, "virtual-size": gib * GIB }) },
];

/** A disk of 20 GiB that is there, with mail on it. */
async function there(t: TestContext) {
  const { folder } = await site(t);
  const path = join(folder, "data.qcow2");
  await writeFile(path, "mail");
  const { inputs } = await disk.check({}, { path, sizeGiB: 20, domain: NAME });
  return { path, inputs };
}

test("a disk is formatted when it is made, and never one that is there", async (t) => {
  const { folder } = await site(t);
  const { inputs } = await disk.check(
    {},
    { path: join(folder, "new", "data.qcow2"), sizeGiB: 20, domain: NAME },
  );
  const host = new FakeHost();
  host.run = writing(host, "empty");
  await disk.create(inputs, host);
  assert.deepEqual(
    host.changes.map((command) => command.split(" ", 2).join(" ")),
    ["mke2fs -q", "qemu-img convert"],
  );
  assert.equal(await readFile(String(inputs.path), "utf8"), "empty");
  assert.equal(
    (await stat(String(inputs.path))).mode & 0o777,
    0o600,
    "nobody else of this machine reads the mail",
  );
  const again = new FakeHost({ answers: [info(20)] });
  assert.equal((await disk.create(inputs, again)).id, inputs.path);
  assert.deepEqual(again.changes, []);
  assert.match(again.said.join(), /taken over with what is on it/);
});

/** `qemu-img convert` that writes `text`. */
function writing(host: FakeHost, text: string, before?: () => Promise<void>): FakeHost["run"] {
  const { run } = host;
  return async (file, args) => {
    if (args[0] === "convert") {
      await before?.();
      await writeFile(args.at(-1) ?? "", text);
    }
    return run(file, args);
  };
}

test("a disk that appears while another is made is not overwritten", async (t) => {
  const { folder } = await site(t);
  const path = join(folder, "data.qcow2");
  const host = new FakeHost();
  host.run = writing(host, "empty", () => writeFile(path, "mail"));
  await assert.rejects(
    disk.create((await disk.check({}, { path, sizeGiB: 1, domain: NAME })).inputs, host),
    /EEXIST/,
  );
  assert.equal(await readFile(path, "utf8"), "mail");
  assert.ok(!existsSync(`${path}.part`) && !existsSync(`${path}.raw.part`), "nothing half-made is left");
});

const grows: { name: string; script: Script; wanted: string[] }[] = [
  {
    name: "while its VM runs",
    script: { state: "running", answers: [info(20)] },
    wanted: [`virsh blockresize ${NAME} F ${30 * GIB}B`],
  },
  {
    name: "while its VM is off",
    script: { state: "shut off", answers: [info(20)] },
    wanted: [`qemu-img resize -q -f qcow2 F ${30 * GIB}`],
  },
  {
    name: "without a VM",
    script: { answers: [info(20)] },
    wanted: [`qemu-img resize -q -f qcow2 F ${30 * GIB}`],
  },
  { name: "grown already", script: { state: "running", answers: [info(30)] }, wanted: [] },
];
for (const { name, script, wanted } of grows) {
  test(`update grows the disk in place: ${name}`, async (t) => {
    const { path, inputs } = await there(t);
    const news = (await disk.check(inputs, { ...inputs, sizeGiB: 30 })).inputs;
    assert.deepEqual(await disk.diff(path, inputs, news), { changes: true, replaces: [] });
    const host = new FakeHost(script);
    assert.equal((await disk.update(path, inputs, news, host)).outs.sizeGiB, 30);
    assert.deepEqual(
      host.changes,
      wanted.map((command) => command.replace("F", path)),
    );
  });
}

const refused = [
  { name: "smaller", news: { sizeGiB: 19 }, property: "sizeGiB" },
  { name: "elsewhere", news: { path: "/srv/data.qcow2" }, property: "path" },
  { name: "no file name that qemu could misread", news: { path: "/srv/a,b" }, property: "path" },
];
for (const { name, news, property } of refused) {
  test(`check refuses a disk that is to be ${name}`, async (t) => {
    const { inputs } = await there(t);
    const { failures } = await disk.check(inputs, { ...inputs, ...news });
    assert.ok(failures.some((each) => each.property === property));
  });
}

test("a larger or foreign file is not taken over", async (t) => {
  const { inputs } = await there(t);
  await assert.rejects(disk.create(inputs, new FakeHost({ answers: [info(40)] })), /has 40 GiB.*ask for 40/);
  await assert.rejects(disk.create(inputs, new FakeHost({ answers: [info(20, "raw")] })), /format is raw/);
});

test("a disk that is gone is not made empty by an update", async (t) => {
  const { path, inputs } = await there(t);
  const gone = { ...inputs, path: `${path}x` };
  await assert.rejects(disk.update(path, gone, gone, new FakeHost()), /is gone.*backup/);
  assert.deepEqual(await disk.read(path, gone, new FakeHost()), {});
});

test("read has the size of the file", async (t) => {
  const { path, inputs } = await there(t);
  const { props } = await disk.read(path, inputs, new FakeHost({ answers: [info(25)] }));
  assert.equal(props?.sizeGiB, 25);
});

test("delete is refused until an update has said otherwise, and while the VM runs", async (t) => {
  const { path, inputs } = await there(t);
  await assert.rejects(
    disk.delete(path, inputs, new FakeHost()),
    /holds the mail and is not deleted[\s\S]*protect: false/,
  );
  const told = { ...inputs, deletable: true };
  await assert.rejects(disk.delete(path, told, new FakeHost({ state: "running" })), /runs on the data disk/);
  assert.ok(existsSync(path));
  await disk.delete(path, told, new FakeHost({ state: "shut off" }));
  assert.ok(!existsSync(path));
});
