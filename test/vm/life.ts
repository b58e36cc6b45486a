/**
 * The life of a mail VM with a real libvirt, by the resources' own operations: made, changed while it runs, stopped by
 * hand, its system replaced, deleted; what is on the data disk is there throughout. Emulated, so that it runs anywhere.
 * Its network is qemu's user mode, shut off, with forwards on the loopback alone.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { execa } from "execa";
import { create as createKeyPair } from "../../components/providers/key-pair/crud.ts";
import { system } from "../../components/providers/libvirt/host.ts";
import { domainState } from "../../components/providers/libvirt/virsh.ts";
import * as disk from "../../components/providers/libvirt-disk/crud.ts";
import * as image from "../../components/providers/libvirt-image/crud.ts";
import * as vm from "../../components/providers/libvirt-vm/crud.ts";
import { opensshKey } from "../../components/ssh-key.ts";
import { freePort } from "../support/ports.ts";

const URI = "qemu:///system";
const NAME = `semail-t-${randomBytes(4).toString("hex")}`;
const FOLDER = join("/var/lib/libvirt/images", NAME);
/** Kept between runs: it takes the longest to make. */
const IMAGES = join(process.env.SEMAIL_CACHE ?? join(homedir(), ".cache", "semail"), "vm");

type Given = Parameters<typeof vm.check>[1];
type State = { inputs: Given; outs: Given };

let scratch = "";
let given: Given = {};
let dataDisk: Given = {};
let state: State = { inputs: {}, outs: {} };

/** A step as Pulumi does it: check, then what diff asks for. Answers whether there was anything to do. */
async function bring(change: Given): Promise<boolean> {
  given = { ...given, ...change };
  const { inputs, failures } = await vm.check(state.outs, given);
  assert.deepEqual(failures, []);
  const { changes, replaces } = await vm.diff("", state.outs, inputs);
  assert.deepEqual(replaces, []);
  if (changes) state = { inputs, outs: (await vm.update("", state.outs, inputs)).outs };
  return changes ?? false;
}

/** Runs a script in the guest, whose host key is known from the start. */
async function inGuest(script: string, knownHosts = "known_hosts"): Promise<string> {
  const options = [
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    `UserKnownHostsFile=${join(scratch, knownHosts)}`,
  ];
  const args = [
    ...["-F", "/dev/null", "-i", join(scratch, "id"), "-p", String(state.outs.sshPort), "-T"],
    ...options.flatMap((option) => ["-o", option]),
    ...[`${state.outs.user}@${state.outs.address}`, "sh -s"],
  ];
  return (await execa("ssh", args, { input: `set -e\n${script}` })).stdout.trim();
}

/** A container with a file on a volume, out of the guest's own programs: no image has to come from anywhere. */
const CONTAINER = `
tar -C / -ch bin/dash bin/sleep lib64/ld-linux-x86-64.so.2 lib/x86_64-linux-gnu/libc.so.6 | docker import - tiny >/dev/null
docker run --detach --name keeper --network none --restart unless-stopped --volume mail:/mail tiny \
  /bin/dash -c 'echo started >> /mail/starts; exec sleep 1000000' >/dev/null
docker run --rm --network none --volume mail:/mail tiny /bin/dash -c 'echo kept > /mail/file'
`;
const MAIL = "cat /var/lib/docker/volumes/mail/_data/file";
const GIB = 2 ** 30;

async function size(command: string): Promise<number> {
  return Number(await inGuest(command)) / GIB;
}

before(async () => {
  scratch = await mkdtemp(join(tmpdir(), "semail-t-vm-"));
  await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(scratch, "id")]);
  const { outs: key } = await createKeyPair({ algorithm: "ed25519" });
  const hostKey = opensshKey(key.publicKeyBase64);
  const { outs: other } = await createKeyPair({ algorithm: "ed25519" });
  const port = await freePort();
  await writeFile(join(scratch, "known_hosts"), `[127.0.0.1]:${port} ${hostKey}\n`);
  await writeFile(join(scratch, "other_hosts"), `[127.0.0.1]:${port} ${opensshKey(other.publicKeyBase64)}\n`);
  dataDisk = { path: join(FOLDER, "data.qcow2"), sizeGiB: 2, domain: NAME };
  const { inputs, failures } = await image.check({}, { folder: IMAGES });
  assert.deepEqual(failures, []);
  const { recipe, disk: base, kernel, initrd } = (await image.create(inputs)).outs;
  given = {
    ...{ name: NAME, folder: join(FOLDER, "vm"), vcpus: 2, memoryMiB: 1024, systemGiB: 4 },
    image: { id: recipe, disk: base, kernel, initrd },
    dataDisk: dataDisk.path,
    network: { kind: "user", isolated: true, forwards: [{ hostPort: port, guestPort: 22 }] },
    authorizedKeys: [(await readFile(join(scratch, "id.pub"), "utf8")).trim()],
    ...{ hostKeyPem: key.privateKeyPem, hostKey, autostart: false, accelerator: "tcg" },
  };
});

after(async () => {
  // What a test that failed left.
  await execa("virsh", ["--connect", URI, "destroy", NAME], { reject: false });
  await execa("virsh", ["--connect", URI, "undefine", NAME], { reject: false });
  await rm(FOLDER, { recursive: true, force: true });
  await rm(scratch, { recursive: true, force: true });
});

test("it comes up with its data disk, and the first connection is verified", async () => {
  const made = await disk.check({}, dataDisk);
  assert.deepEqual(made.failures, []);
  dataDisk = (await disk.create(made.inputs)).outs;
  const { inputs, failures } = await vm.check({}, given);
  assert.deepEqual(failures, []);
  state = { inputs, outs: (await vm.create(inputs)).outs };
  assert.equal(await inGuest("hostname"), NAME);
  await assert.rejects(inGuest("true", "other_hosts"), /Host key verification failed/);
  assert.equal(await bring({}), false, "a second update changes nothing");
});

test("its engine runs containers, with what they keep on the data disk", async () => {
  await inGuest(CONTAINER);
  assert.equal(await inGuest(MAIL), "kept");
  assert.match(
    await inGuest("findmnt --noheadings --output SOURCE,OPTIONS --target /var/lib/docker/volumes"),
    // So that a box's disk can be limited.
    /^\/dev\/vdb .*\busrquota\b/,
  );
  assert.equal(
    await inGuest("journalctl --output=cat --unit=semail-count | grep tune2fs || true"),
    "",
    "it was made so",
  );
  assert.equal(await inGuest("systemctl --failed --no-legend"), "", "nothing failed on the way");
});

test("disks and memory grow while it runs", async () => {
  const started = await inGuest("uptime -s");
  const { inputs } = await disk.check(dataDisk, { ...dataDisk, sizeGiB: 3 });
  dataDisk = (await disk.update("", dataDisk, inputs)).outs;
  assert.ok(await bring({ memoryMiB: 1536, systemGiB: 5 }));
  // systemd ends no unit before its file system is as large as the disk.
  const grown = (path: string) =>
    `systemctl start semail-grow; df --output=size --block-size=1 ${path} | tail -n 1`;
  assert.ok((await size(grown("/var/lib/docker"))) > 2.5);
  assert.ok((await size(grown("/"))) > 4.5);
  assert.ok((await size("free --bytes | awk '/^Mem:/ { print $2 }'")) > 1.2);
  assert.equal(await inGuest("uptime -s"), started, "the same start as before");
});

test("shut down by hand, it is started again by an update that has nothing else to do", async () => {
  await execa("virsh", ["--connect", URI, "shutdown", NAME]);
  while ((await domainState(system, URI, NAME)) !== "shut off") await system.sleep(500);
  assert.ok(await bring({}));
  assert.equal(await inGuest(MAIL), "kept");
  assert.equal(await inGuest("docker inspect --format '{{.State.Running}}' keeper"), "true");
});

test("its system disk is replaced, and mail and containers are there as before", async () => {
  await inGuest("touch /root/of-the-old-system");
  const { id, ...files } = given.image as { id: string };
  assert.ok(await bring({ image: { ...files, id: `${id}-next` } }));
  assert.equal(await inGuest("ls /root"), "");
  assert.equal(await inGuest(MAIL), "kept");
  assert.equal(await inGuest("docker inspect --format '{{.State.Running}}' keeper"), "true");
});

test("deleted, it leaves the data disk, which goes only when an update has said so before", async () => {
  await vm.delete("", state.outs);
  assert.equal(await domainState(system, URI, NAME), "gone");
  assert.ok(!existsSync(join(FOLDER, "vm")));
  await assert.rejects(disk.delete("", dataDisk), /holds the mail and is not deleted/);
  const { inputs } = await disk.check(dataDisk, { ...dataDisk, deletable: true });
  const { outs } = await disk.update("", dataDisk, inputs);
  await disk.delete("", outs);
  assert.ok(!existsSync(String(dataDisk.path)));
});
