import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import * as vm from "../../../components/providers/libvirt-vm/crud.ts";
import { uuidOf } from "../../../components/providers/libvirt-vm/domain-xml.ts";
import { Unready } from "../../../components/providers/unready.ts";
import { FakeHost, HOST_KEY, NAME, type Script, site, vmInputs } from "./support.ts";

/** A machine that stands, as the state has it. */
async function standing(t: TestContext) {
  const place = await site(t);
  const given = vmInputs(place);
  const { inputs, failures } = await vm.check({}, given);
  assert.deepEqual(failures, []);
  const { id, outs } = await vm.create(inputs, new FakeHost());
  const change = async (news: object) => (await vm.check(outs, { ...given, ...news })).inputs;
  return { place, given, inputs, id, outs, change, files: given.folder };
}

test("create defines, starts and waits until ssh answers with the stack's key", async (t) => {
  const { inputs } = await standing(t);
  const host = new FakeHost();
  const { id, outs } = await vm.create(inputs, host);
  assert.equal(id, uuidOf(NAME));
  const { address, sshPort, user, hostKey, acceleratorUsed, maxVcpus, maxMemoryMiB } = outs;
  assert.deepEqual([address, sshPort, user, hostKey], ["127.0.0.1", 2240, "root", HOST_KEY]);
  assert.deepEqual([acceleratorUsed, maxVcpus, maxMemoryMiB], ["tcg", 2, 2048]);
  assert.deepEqual(
    host.changes.map((command) => command.replaceAll(String(inputs.folder), "F")),
    [
      "qemu-img resize -q F/system.qcow2.new 8G",
      "virsh define F/domain.xml --validate",
      `virsh autostart ${NAME}`,
      `virsh start ${NAME}`,
    ],
  );
  assert.match(
    host.said.join("\n"),
    /emulated \(TCG\), slowly: KVM doesn't run guests here: KVM internal error/,
  );
});

test("the private key is in a file of its own: in no argument, no XML, no message", async (t) => {
  const { inputs, files } = await standing(t);
  const host = new FakeHost();
  await vm.create(inputs, host);
  assert.equal(await readFile(join(files, "ssh-host-key"), "utf8"), inputs.hostKeyPem);
  assert.equal((await stat(join(files, "ssh-host-key"))).mode & 0o777, 0o600);
  assert.equal((await stat(join(files, "system.qcow2"))).mode & 0o777, 0o600);
  const said = [...host.changes, ...host.said, await readFile(join(files, "domain.xml"), "utf8")].join("\n");
  assert.ok(!said.includes("secret"));
});

const PROOF = /^qemu-system-x86_64 .*accel=kvm.*-kernel /;
const panic = "Kernel panic - not syncing: VFS\n";
const proofs = [
  { name: "the guest's kernel was seen to run with it", proof: { stdout: panic }, used: "kvm", type: "kvm" },
  { name: "a guest came up that hung", proof: { code: 1, stdout: panic }, used: "tcg", type: "qemu" },
  { name: "qemu ended without a guest", proof: { stdout: "" }, used: "tcg", type: "qemu" },
];
for (const { name, proof, used, type } of proofs) {
  test(`a machine of accelerator auto is run by ${used} when ${name}`, async (t) => {
    const { inputs } = await standing(t);
    const { outs } = await vm.create(inputs, new FakeHost({ answers: [[PROOF, proof]] }));
    assert.deepEqual([outs.acceleratorUsed, outs.maxVcpus], [used, used === "kvm" ? 4 : 2]);
    const xml = await readFile(join(String(inputs.folder), "domain.xml"), "utf8");
    assert.ok(xml.includes(`<domain type='${type}'`));
  });
}

const processors = [
  { vcpus: 3, live: true },
  { vcpus: 4, live: true },
  { vcpus: 5, live: false },
  { vcpus: 1, live: false },
];
for (const { vcpus, live } of processors) {
  test(`under KVM, ${vcpus} processors instead of 2 ${live ? "are plugged in" : "need a restart"}`, async (t) => {
    const { inputs, id, change } = await standing(t);
    const { outs } = await vm.create(inputs, new FakeHost({ answers: [[PROOF, { stdout: panic }]] }));
    const host = new FakeHost({ state: "running" });
    await vm.update(id, outs, await change({ vcpus }), host);
    assert.equal(host.changes.includes(`virsh setvcpus ${NAME} ${vcpus} --live`), live);
    assert.equal(host.changes.includes(`virsh shutdown ${NAME}`), !live);
  });
}

test("what an interrupted create left is made anew; another stack's machine is left alone", async (t) => {
  const { inputs } = await standing(t);
  const left = new FakeHost({ state: "running" });
  await vm.create(inputs, left);
  assert.ok(left.changes.indexOf(`virsh shutdown ${NAME}`) < left.changes.indexOf(`virsh start ${NAME}`));
  const foreign = new FakeHost({ state: "running", uuid: "11111111-2222-3333-4444-555555555555" });
  await assert.rejects(vm.create(inputs, foreign), /a VM semail-t that this stack did not make/);
  await assert.rejects(vm.delete("", inputs, foreign), /did not make/);
  assert.deepEqual(foreign.changes, []);
});

const silent = { stdout: "" };
const failures: { name: string; script: Script; wanted: RegExp }[] = [
  {
    name: "libvirt isn't running",
    script: {
      answers: [
        [
          /virsh/,
          {
            code: 1,
            stderr:
              "error: Failed to connect socket to '/var/run/libvirt/libvirt-sock': No such file or directory",
          },
        ],
      ],
    },
    wanted: /libvirt can't be asked[\s\S]*systemctl enable --now libvirtd/,
  },
  {
    name: "virsh isn't installed",
    script: { answers: [[/virsh/, { code: 127, stderr: "virsh: no such program" }]] },
    wanted: /Install what VMs need: apt-get install .*libvirt-clients/,
  },
  {
    name: "ssh never answers",
    script: { answers: [[/ssh-keyscan/, silent]] },
    wanted:
      /did not come up in 30\d s: nothing at 127\.0\.0\.1 port 2240 yet[\s\S]*console[\s\S]*Out of luck/,
  },
  {
    name: "it ends while it starts",
    script: {
      answers: [
        [/ssh-keyscan/, silent],
        [/virsh domstate/, { stdout: "shut off" }],
      ],
    },
    wanted: /did not come up in 0 s: it is shut off/,
  },
  {
    name: "another machine answers",
    script: { answers: [[/ssh-keyscan/, { stdout: `[127.0.0.1]:2240 ssh-ed25519 BBBB\n` }]] },
    wanted: /another machine answers at 127\.0\.0\.1 port 2240: its host key is ssh-ed25519 BBBB/,
  },
];
for (const { name, script, wanted } of failures) {
  test(`create fails and says what to do: ${name}`, async (t) => {
    const { inputs, files } = await standing(t);
    await writeFile(join(files, "console.log"), "\u001b[0mBooting\r\nOut of luck\r\n\r\n");
    await assert.rejects(vm.create(inputs, new FakeHost(script)), wanted);
  });
}

for (const [what, script] of Object.entries<Script>({
  "ssh never answers": { answers: [[/ssh-keyscan/, silent]] },
  "another machine answers": {
    answers: [[/ssh-keyscan/, { stdout: `[127.0.0.1]:2240 ssh-ed25519 BBBB\n` }]],
  },
  "it can't be started": { answers: [[/virsh start/, { code: 1, stderr: "error: no bridge br0" }]] },
  "what is there does not shut down": { state: "running", stubborn: true },
}))
  test(`a machine that is there though its create failed is known to the state, and goes on: ${what}`, async (t) => {
    const { inputs } = await standing(t);
    const host = new FakeHost(script);
    const error = await vm.create({ ...inputs, __provider: "the shim" }, host).then(
      () => assert.fail("it was made"),
      (error: unknown) => error,
    );
    assert.ok(error instanceof Unready, String(error));
    const { id, properties, reasons } = error;
    assert.deepEqual([id, properties.__provider, reasons], [uuidOf(NAME), "the shim", [error.message]]);
    // With a new system, as a create would.
    const next = new FakeHost(host.state === undefined ? {} : { state: host.state });
    assert.ok((await vm.diff(id, properties, inputs, next)).changes);
    const { outs } = await vm.update(id, properties, inputs, next);
    assert.deepEqual(outs.image, inputs.image);
    assert.equal(next.state, "running");
    assert.ok(next.changes.includes(`virsh start ${NAME}`));
    assert.equal((await vm.diff(id, outs, inputs, next)).changes, false);
    const down = new FakeHost({ state: "running" });
    await vm.delete(id, properties, down);
    assert.equal(down.state, undefined);
  });

test("a machine that is not there after a create that failed is not known to the state", async (t) => {
  const { inputs } = await standing(t);
  const host = new FakeHost({ answers: [[/virsh define/, { code: 1, stderr: "error: bad XML" }]] });
  await assert.rejects(vm.create(inputs, host), (error) => !(error instanceof Unready));
});

test("create says what to do when the image is gone, and touches nothing", async (t) => {
  const { inputs, place } = await standing(t);
  await rm(place.image.disk);
  const host = new FakeHost({ state: "running" });
  await assert.rejects(vm.create(inputs, host), /image is gone: .*--refresh/);
  assert.deepEqual(host.changes, []);
});

const OFF = [`virsh shutdown ${NAME}`];
const ON = [
  "virsh define F/domain.xml --validate",
  `virsh autostart ${NAME}`,
  "qemu-img resize -q -f qcow2 F/system.qcow2 8G",
  `virsh start ${NAME}`,
];
const updates: { name: string; news: object; state?: string; wanted: string[] }[] = [
  {
    name: "memory and disk grow while it runs",
    news: { memoryMiB: 2048, systemGiB: 16 },
    wanted: [
      `virsh setmem ${NAME} 2048MiB --live`,
      `virsh blockresize ${NAME} F/system.qcow2 16GiB`,
      ...ON.slice(0, 2),
    ],
  },
  {
    name: "autostart goes",
    news: { autostart: false },
    wanted: [ON[0] ?? "", `virsh autostart ${NAME} --disable`],
  },
  {
    name: "more memory than it can be given while it runs",
    news: { memoryMiB: 2049 },
    wanted: [...OFF, ...ON],
  },
  { name: "an emulated processor more", news: { vcpus: 3 }, wanted: [...OFF, ...ON] },
  { name: "other keys", news: { authorizedKeys: ["ssh-ed25519 AAAAother"] }, wanted: [...OFF, ...ON] },
  { name: "stopped by hand", news: {}, state: "shut off", wanted: ON },
  {
    name: "crashed, with a larger disk asked for",
    news: { systemGiB: 9 },
    state: "crashed",
    wanted: ON.map((c) => c.replace("8G", "9G")),
  },
  { name: "paused", news: {}, state: "paused", wanted: [`virsh resume ${NAME}`, ...ON.slice(0, 2)] },
  { name: "undefined by hand", news: {}, state: "gone", wanted: ON },
];
for (const { name, news, state = "running", wanted } of updates) {
  test(`update: ${name}`, async (t) => {
    const { outs, id, change, files } = await standing(t);
    const host = new FakeHost(state === "gone" ? {} : { state });
    const inputs = await change(news);
    assert.equal((await vm.diff(id, outs, inputs, host)).changes, true);
    const { outs: after } = await vm.update(id, outs, inputs, host);
    assert.deepEqual(
      host.changes.map((command) => command.replaceAll(files, "F")),
      wanted,
    );
    assert.equal((await vm.diff(id, after, inputs, host)).changes, false);
  });
}

test("another image replaces the system disk: copied while the old one runs, put in place when it is off", async (t) => {
  const { outs, id, change, place, files } = await standing(t);
  const disk = join(place.folder, "next.qcow2");
  await writeFile(disk, "made of something else");
  const inputs = await change({ image: { ...place.image, id: "fedcba9876543210", disk } });
  const host = new FakeHost({ state: "running" });
  await vm.update(id, outs, inputs, host);
  assert.deepEqual(
    host.changes.slice(0, 2).map((command) => command.replaceAll(files, "F")),
    ["qemu-img resize -q F/system.qcow2.new 8G", ...OFF],
  );
  assert.equal(await readFile(join(files, "system.qcow2"), "utf8"), "made of something else");
  assert.match(host.said.join("\n"), /has to be restarted \(image\)/);
});

test("a guest that does not shut down is not forced to by an update, but is by a delete", async (t) => {
  const { outs, id, change, files } = await standing(t);
  const host = new FakeHost({ state: "running", stubborn: true });
  const update = vm.update(id, outs, await change({ vcpus: 4 }), host);
  await assert.rejects(update, /does not shut down.*virsh destroy semail-t/);
  assert.equal(host.state, "running");
  await vm.delete(id, outs, host);
  assert.deepEqual(host.changes.slice(-2), [
    `virsh destroy ${NAME}`,
    `virsh undefine ${NAME} --managed-save`,
  ]);
  assert.ok(!existsSync(files), "the system disk and the folder are gone");
});

test("delete leaves what isn't the VM's own; one that is gone already is fine", async (t) => {
  const { outs, id, files } = await standing(t);
  await writeFile(join(files, "data.qcow2"), "mail");
  const host = new FakeHost();
  await vm.delete(id, outs, host);
  assert.deepEqual([host.changes, await readdir(files)], [[], ["data.qcow2"]]);
});

test("read and diff see what was done by hand; a preview without libvirt doesn't fail", async (t) => {
  const { outs, id, inputs } = await standing(t);
  assert.deepEqual(await vm.read(id, outs, new FakeHost({ state: "shut off" })), { id, props: outs });
  assert.deepEqual(await vm.read(id, outs, new FakeHost()), {});
  const none = new FakeHost({ answers: [[/virsh/, { code: 127, stderr: "virsh: no such program" }]] });
  assert.equal((await vm.diff(id, outs, inputs, none)).changes, false);
  await assert.rejects(vm.read(id, outs, none), /Install what VMs need/);
});

const replaced = [{ name: "other" }, { folder: "/srv/other" }, { uri: "qemu:///session" }];
for (const news of replaced) {
  test(`diff: another ${Object.keys(news).join()} is another machine, made when the old one is gone`, async (t) => {
    const { outs, id, change } = await standing(t);
    const answer = await vm.diff(id, outs, await change(news), new FakeHost({ state: "running" }));
    assert.deepEqual(answer, { changes: true, replaces: Object.keys(news), deleteBeforeReplace: true });
  });
}

const bad = [
  { name: "a name that XML could read", news: { name: "a'b" }, property: "name" },
  { name: "a path with a blank", news: { folder: "/var/my vm" }, property: "folder" },
  { name: "a libvirt far away", news: { uri: "qemu+ssh://host/system" }, property: "uri" },
  { name: "nobody who may log in", news: { authorizedKeys: [] }, property: "authorizedKeys" },
  {
    name: "a private key for a public one",
    news: { authorizedKeys: ["-----BEGIN"] },
    property: "authorizedKeys.0",
  },
  {
    name: "two keys in one line",
    news: { authorizedKeys: ["ssh-rsa AAAA x\nssh-rsa BBBB"] },
    property: "authorizedKeys.0",
  },
  {
    name: "no forward to ssh",
    news: { network: { kind: "user", forwards: [{ hostPort: 1, guestPort: 25 }] } },
    property: "network.forwards",
  },
  {
    name: "a bridge without an address",
    news: { network: { kind: "bridge", bridge: "br0" } },
    property: "network.address",
  },
  { name: "a smaller system disk", news: { systemGiB: 7 }, property: "systemGiB" },
  { name: "too little memory", news: { memoryMiB: 512 }, property: "memoryMiB" },
];
for (const { name, news, property } of bad) {
  test(`check refuses: ${name}`, async (t) => {
    const { outs, given } = await standing(t);
    const properties = (await vm.check(outs, { ...given, ...news })).failures.map((each) => each.property);
    assert.ok(properties.includes(property), `${properties}`);
  });
}
