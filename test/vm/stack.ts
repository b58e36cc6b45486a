/**
 * A stack on a VM that it makes itself, with the real program and the commands of `npm run`: previewed without a VM, up,
 * mail in and out, the VM stopped, its system replaced, gone. Emulated, so that it runs anywhere: 10 to 15 min on two
 * cores, most of it starts of the VM (three) and of containers. It is on a bridge that leads to this machine alone; so
 * its images, which would be built there, are put on its data disk beforehand (test/support/vm-site.ts).
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { OpMap } from "@pulumi/pulumi/automation/index.js";
import { execa } from "execa";
import { system } from "../../components/providers/libvirt/host.ts";
import { domainState } from "../../components/providers/libvirt/virsh.ts";
import { boxDisk } from "../../stacks/box-disk.ts";
import { parseConfig } from "../../stacks/check-config.ts";
import { buildModel } from "../../stacks/model.ts";
import { down } from "../../tools/bootstrap/commands/down.ts";
import { up } from "../../tools/bootstrap/commands/up.ts";
import { type Context, sayWith } from "../../tools/bootstrap/context.ts";
import { examineHost } from "../../tools/bootstrap/host-boot.ts";
import { type OfStack, stackEngine } from "../../tools/bootstrap/stack-engine.ts";
import { openLab } from "../support/docker.ts";
import { deliverAsStranger, loginOf, readMail, submit } from "../support/mail.ts";
import { type Inbox, listenForMail } from "../support/mail-listener.ts";
import { freePort } from "../support/ports.ts";
import { makeProject, type StackKeys, type TestProject } from "../support/project.ts";
import { type Bridge, openBridge, placeDataDisk, placeSystems } from "../support/vm-site.ts";

const URI = "qemu:///system";
const DOMAIN = "semail.test";
const DATA_GIB = 6;
/** Small, so that the disk of her box is soon full. */
const QUOTA_MIB = 20;
/** Of mail, in an emulated machine. */
const PATIENCE_MS = 120_000;

const lab = openLab();
let scratch = "";
let folder = "";
let bridge: Bridge;
let inbox: Inbox;
let project: TestProject;
let keys: StackKeys;
let context: Context;
const lines: string[] = [];

const options = { stack: "test", unlock: false, color: false };
const changed = ({ same: _, ...rest }: OpMap = {}): OpMap => rest;
const state = () => domainState(system, URI, project.prefix);

/** The stack's keys, with a VM like the others but for `vm`. */
const keysWith = (vm: object, more: StackKeys = {}): StackKeys => {
  const host = keys.host as { vm: object };
  return { ...keys, host: { ...host, vm: { ...host.vm, ...vm } }, ...more };
};

/** As `npm run` starts a command in the project's folder. */
function contextOf(root: string): Context {
  const { signal } = new AbortController();
  const say = sayWith((line) => {
    lines.push(line);
    console.log(line);
  });
  // A home of its own: the commands put the docker provider of their checkout there, and this one goes.
  return { root, env: { ...process.env, PULUMI_HOME: undefined }, signal, hurry: signal, say };
}

/** The stack, as the commands have it. */
async function ofStack(): Promise<OfStack> {
  const name = "Pulumi.test.yaml";
  const text = await readFile(join(project.folder, name), "utf8");
  return { name: "test", project: "semail", prefix: project.prefix, committed: { name, text } };
}

const containers = async (): Promise<string[]> => {
  const { docker } = await stackEngine(context, await ofStack(), "use");
  return (await docker.listContainers()).flatMap(({ Names }) => Names.map((name) => name.slice(1))).sort();
};

/** A connection that nobody takes yet, or `access` before directory and box are there (RFC 5530 section 3). */
function isStarting(error: unknown): boolean {
  const { code, originalCode = code, serverResponseCode } = error as Record<string, unknown>;
  return originalCode === "ECONNREFUSED" || serverResponseCode === "UNAVAILABLE";
}

/** Does it again while services start, which they do after ssh, as mail servers and programs do. */
async function onceStarted<T>(work: () => Promise<T>): Promise<T> {
  for (const deadline = Date.now() + PATIENCE_MS; ; await system.sleep(500)) {
    try {
      return await work();
    } catch (error) {
      if (!isStarting(error) || Date.now() > deadline) throw error;
    }
  }
}

async function isReadable(subject: string): Promise<string> {
  const summary = await project.summary();
  return onceStarted(() => readMail(summary, loginOf(summary, "alice"), subject, PATIENCE_MS));
}

/** A stranger's message. */
async function deliver(subject: string): Promise<string> {
  const summary = await project.summary();
  const mail = { from: "x@stranger.test", to: `alice@${DOMAIN}`, subject };
  return onceStarted(() => deliverAsStranger(summary, mail));
}

/** Runs a command in the VM, by an ssh of one's own; answers what it says. */
async function inVm(command: string): Promise<string> {
  const known = join(project.folder, ".semail", "ssh", "test");
  const { stdout } = await execa("ssh", ["-F", "config", "semail-host", command], {
    cwd: known,
    reject: false,
  });
  return stdout;
}

const rules = () => inVm("nft list table inet semail");

/** A test that builds on those before it: after one that failed there is nothing to be learnt, only to be waited for. */
let failed = false;
function step(name: string, work: () => Promise<void>): void {
  test(name, async () => {
    assert.equal(failed, false, "a step before it failed");
    failed = true;
    await work();
    failed = false;
  });
}

before(async () => {
  scratch = await mkdtemp(join(tmpdir(), "semail-t-vm-"));
  await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(scratch, "id")]);
  bridge = await openBridge();
  inbox = await listenForMail({ listen: { host: bridge.address, port: 25 } });
  keys = {
    ...{ domain: DOMAIN, dns: { provider: "none" }, ports: { ldap: await freePort() } },
    smtpOut: { allowTargets: [`${bridge.address}/32`] },
    users: { alice: { name: "Alice Martin", quota: `${QUOTA_MIB}MB` } },
    host: {
      kind: "libvirt",
      firewall: true,
      vm: {
        ...{ vcpus: 2, memory: "1536MB", systemDisk: "4GB", dataDisk: `${DATA_GIB}GB`, accelerator: "tcg" },
        ...{
          sshKeys: [(await readFile(join(scratch, "id.pub"), "utf8")).trim()],
          identity: join(scratch, "id"),
        },
        ...{ autostart: false, bootSeconds: 600 },
        network: {
          ...{ kind: "bridge", bridge: bridge.name, address: `${bridge.guest}/24`, gateway: bridge.address },
          nameservers: [bridge.address],
        },
      },
    },
  };
  project = await makeProject(keys);
  folder = join("/var/lib/libvirt/images", project.prefix);
  context = contextOf(project.folder);
});

after(async () => {
  // What a test that failed left.
  await execa("virsh", ["--connect", URI, "destroy", project.prefix], { reject: false });
  await execa("virsh", ["--connect", URI, "undefine", project.prefix], { reject: false });
  await rm(folder, { recursive: true, force: true });
  await rm(project.folder, { recursive: true, force: true });
  await inbox?.listener.close();
  await bridge?.dispose();
  await lab.cleanup();
  await rm(scratch, { recursive: true, force: true });
});

step("its system is made, unless it was by a run before", () => placeSystems(folder, ["", "next"]));

step("a disk with its images is made, unless it was by a run before", async () => {
  const { config, problems } = parseConfig(keys);
  assert.ok(config, JSON.stringify(problems));
  const model = buildModel(config, { project: "semail", stack: "test" });
  await placeDataDisk(lab, { path: join(folder, "data.qcow2"), sizeGiB: DATA_GIB, model });
});

step("a preview shows what would be made, and needs no VM for it", async () => {
  const { changeSummary } = await project.stack.preview();
  assert.deepEqual(Object.keys(changeSummary), ["create"]);
  assert.equal(await state(), "gone");
});

step("`npm run up` makes the VM and the system on it", async () => {
  await up(context, { ...options, refresh: false });
  const said = lines.join("\n");
  assert.match(said, /^! The VM can't be asked: Nobody has connected/m);
  assert.match(said, /✓ host root@\S+ \(Docker engine /);
  assert.match(
    said,
    /^ +✓ Host +3 of 3$/m,
    "it comes back after a restart, its firewall, too, and limits disks",
  );
  assert.equal(await state(), "running");
  assert.ok((await containers()).includes(`${project.prefix}-box-alice`));
});

step(
  "strangers' mail comes in by the VM's own address, with theirs kept, and is read over IMAP",
  async () => {
    const summary = await project.summary();
    assert.deepEqual([summary.bind, summary.ports.smtp], [bridge.guest, 25]);
    assert.match(await deliver("first"), /^250/);
    const source = await isReadable("first");
    assert.ok(source.includes(`\nReceived: from stranger.test ([${bridge.address}])`), source);
  },
);

step("mail goes out to another server", async () => {
  const summary = await project.summary();
  const to = `x@[${bridge.address}]`;
  await submit(summary, loginOf(summary, "alice"), { from: `alice@${DOMAIN}`, to, subject: "out" });
  await inbox.reached(1);
  assert.match(inbox.messages[0]?.text ?? "", /^Subject: out\r$/m);
});

/** Runs a program of the guard's image on the volume with her mail, as an update does. */
async function inGuard(program: string, args: string): Promise<string> {
  const { prefix } = project;
  const image = await inVm(`docker inspect -f '{{.Image}}' ${prefix}-guard`);
  const rights = "--network none --user 0:0 --cap-drop ALL --cap-add SYS_ADMIN --cap-add MKNOD";
  const run = `docker run --rm ${rights} -v ${prefix}-mail-alice:/volume:ro`;
  return inVm(`${run} --entrypoint ${program} ${image} ${args}`);
}

/** Asks for, or sets, the limit of her disk by the guard's own program. */
async function limitDisk(...limits: number[]): Promise<string> {
  const user = await inVm(`docker inspect -f '{{.Config.User}}' ${project.prefix}-box-alice | cut -d: -f1`);
  return inGuard("/usr/local/bin/limit-disk", `${user} ${limits.join(" ")}`);
}

/** Has the kernel enforce the limits, or count alone. */
const quotas = (word: "quotaon" | "quotaoff") =>
  inGuard("/bin/bash", `-c "mknod /dev/vdb b $(stat -c '%Hr %Lr' /dev/vdb) && ${word} -u /dev/vdb"`);

/** What `limitDisk` says of a quota. */
function limitOf(mebibytes: number): string {
  const { bytes, files } = boxDisk(mebibytes * 2 ** 20, 1_000);
  return `limited ${bytes / 1_024} ${files}`;
}

/** Runs a command in her box, as its user: code of an attacker. */
const inBox = (command: string) => inVm(`docker exec ${project.prefix}-box-alice sh -c '${command}' 2>&1`);

step("a box can't have more of the disk than its limit, whatever runs in it", async () => {
  assert.equal(await limitDisk(), limitOf(QUOTA_MIB));
  const write = (name: string, mebibytes: number) =>
    inBox(`dd if=/dev/zero of=/srv/mail/${name} bs=1M count=${mebibytes}`);
  assert.doesNotMatch(await write("a", 220), /exceeded/);
  assert.match(await write("b", 200), /Disk quota exceeded/);
  assert.match(await inBox("chown 5002 /srv/mail/a"), /not permitted/);
  const reply = await deliver("into a full disk");
  assert.match(reply, /^250/, "the spool has room");
  await inBox("rm /srv/mail/a /srv/mail/b");
  assert.ok(await isReadable("into a full disk"));
});

step("the limit follows the quota, and one that somebody took away is set by a refresh", async () => {
  keys = { ...keys, users: { alice: { name: "Alice Martin", quota: "30MB" } } };
  await project.configure(keys);
  const { summary } = await project.stack.up({ suppressOutputs: true });
  // The box, which is told its quota, and the limit.
  assert.deepEqual(changed(summary.resourceChanges), { update: 1, replace: 1 });
  assert.equal(await limitDisk(), limitOf(30));
  const [, kib, files] = /^limited (\d+) (\d+)$/.exec(await limitDisk(1, 1)) ?? [];
  assert.ok(Number(kib) > 65_536 && Number(files) > 1_000, "who has more may still delete");
  assert.equal(await limitDisk(0, 0), "limited 0 0");
  await project.stack.up({ suppressOutputs: true, refresh: true });
  assert.equal(await limitDisk(), limitOf(30));
  await quotas("quotaoff");
  assert.equal(
    await limitDisk(),
    "unlimited: ext4 on /dev/vdb counts what users have, and limits nobody: mount it anew with usrquota",
  );
  await quotas("quotaon");
  assert.equal(await limitDisk(), limitOf(30));
});

step("a second update has nothing to change", async () => {
  const { summary } = await project.stack.up({ suppressOutputs: true });
  assert.deepEqual(changed(summary.resourceChanges), {});
});

step("the doctor says so when the host would not come back after a restart", async () => {
  const faults = async () => {
    const checks = await examineHost(context, await ofStack());
    return checks.map(({ findings: [finding] }) => finding?.record);
  };
  assert.deepEqual(await faults(), [undefined, undefined, undefined]);
  await inVm("systemctl disable -q docker semail-firewall");
  assert.deepEqual(await faults(), ["docker.service", "semail-firewall.service", undefined]);
  await inVm("systemctl enable -q docker semail-firewall");
  assert.deepEqual(await faults(), [undefined, undefined, undefined]);
});

step("stopped by hand, it is started by an update, which a preview tells without reaching it", async () => {
  await execa("virsh", ["--connect", URI, "shutdown", project.prefix]);
  while ((await state()) !== "shut off") await system.sleep(500);
  const { changeSummary } = await project.stack.preview();
  assert.ok((changeSummary.update ?? 0) > 0);
  assert.equal(changeSummary.delete ?? 0, 0);
  await up(context, { ...options, refresh: false });
  assert.ok(await isReadable("first"));
  // Set by its own service: to the update it is there, and stays as it is.
  assert.match(await rules(), /policy drop/);
});

step("its system is replaced, and mail, services and firewall are there as before", async () => {
  const before = await containers();
  assert.match(await rules(), /policy drop/);
  await project.configure(keysWith({ edition: "next" }));
  const { summary } = await project.stack.up({ suppressOutputs: true });
  // The system, the VM that has it, and its firewall.
  const { create, delete: gone, replace, update } = changed(summary.resourceChanges);
  assert.deepEqual(
    { create, gone, replace, update },
    { create: undefined, gone: undefined, replace: 1, update: 2 },
  );
  assert.ok(await isReadable("first"));
  assert.match(await rules(), /policy drop/);
  assert.match(await deliver("second"), /^250/);
  assert.ok(await isReadable("second"));
  assert.deepEqual(await containers(), before);
});

step("`npm run down` keeps the disk with the mail, until the config says that it may go", async () => {
  const purge = () => down(context, { ...options, purge: true, confirmed: true });
  await assert.rejects(purge(), { name: "Fault", message: /holds the mail and is not deleted/ });
  assert.ok(await isReadable("second"));
  await project.configure(keysWith({ edition: "next" }, { protect: false, keepVolumes: false }));
  await project.stack.up({ suppressOutputs: true });
  assert.ok(existsSync(join(folder, "data.qcow2")));
  await purge();
  assert.equal(await state(), "gone");
  assert.ok(!existsSync(join(folder, "data.qcow2")));
});
