/** Has libvirt at work on this machine, for VMs. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { PACKAGES } from "../../components/providers/libvirt/remedies.ts";
import type { Context } from "./context.ts";
import { aptInstall } from "./engine.ts";
import { Fault } from "./fault.ts";
import { inspectMachine, type Machine } from "./machine.ts";
import { must, run } from "./run.ts";

const PROGRAMS = [
  "virsh",
  "libvirtd",
  "qemu-system-x86_64",
  "qemu-img",
  "mmdebstrap",
  "mke2fs",
  "ssh-keyscan",
];
/**
 * A libvirt of ours has no KVM: where /dev/kvm is there but guests don't run with it, each `define` would ask for it
 * again and wait for more than a minute.
 */
const DAEMONS: readonly (readonly [string, ...string[]])[] = [
  ["virtlogd"],
  [
    ...(["unshare", "--mount", "sh", "-c"] as const),
    "test ! -e /dev/kvm || mount --bind /dev/null /dev/kvm; exec libvirtd",
  ],
];
const STARTED_WITHIN_MS = 30_000;

/** What VMs need of this machine and it hasn't: nothing, packages that can be installed, or somebody's help. */
export function chooseVmHost(machine: Machine): "ready" | "install" | Fault {
  if (!machine.root) return new Fault("VMs and their disks are made as root.", "Run this as root.");
  const missing = PROGRAMS.filter((program) => !machine.has(program));
  if (missing.length === 0) return "ready";
  if (machine.debian) return "install";
  return new Fault(
    `VMs need programs that this machine hasn't: ${missing.join(", ")}.`,
    "Install libvirt, qemu, mmdebstrap, e2fsprogs and OpenSSH's client; then run this again.",
  );
}

/** Installs and starts what is missing. Answers what ends the daemons that this run started. */
export async function ensureLibvirt(
  context: Context,
  machine: Machine = inspectMachine(context.env),
): Promise<() => Promise<void>> {
  const choice = chooseVmHost(machine);
  if (choice instanceof Fault) throw choice;
  if (choice === "install") {
    context.say.doing("installing libvirt and qemu", "once, about half a minute");
    await aptInstall(context, PACKAGES);
  }
  const there = await answers(context);
  const stop = there ? async () => {} : await start(context, machine);
  context.say.done("libvirt", there ? "running" : "started");
  return stop;
}

const answers = async (context: Context): Promise<boolean> =>
  (await run(context, { file: "virsh", args: ["--connect", "qemu:///system", "version"], timeoutMs: 20_000 }))
    .ok;

async function start(context: Context, { systemd }: Machine): Promise<() => Promise<void>> {
  if (systemd) {
    const fault = { cause: "systemd could not start libvirt.", remedy: "See `journalctl -u libvirtd`." };
    await must(context, { file: "systemctl", args: ["start", "libvirtd"] }, fault);
  }
  const env = { ...context.env, PATH: `${context.env.PATH ?? ""}:/usr/sbin:/sbin` };
  // Of a session of their own: they outlive this run unless it stops them, as VMs do.
  const children = (systemd ? [] : DAEMONS).map(([file, ...args]) => {
    const child = spawn(file, args, { stdio: "ignore", env, detached: true });
    child.unref();
    return child;
  });
  const stop = async () => {
    for (const child of children.toReversed()) {
      // This process waits for it again, or it would end before the next is told.
      child.ref();
      if (child.exitCode === null && child.kill()) await once(child, "close");
    }
  };
  const deadline = Date.now() + STARTED_WITHIN_MS;
  while (!(await answers(context))) {
    if (Date.now() > deadline || children.some(({ exitCode }) => exitCode !== null)) {
      await stop();
      throw new Fault("libvirt does not answer.", "Start `libvirtd` by hand and see what it says.");
    }
    await sleep(200, undefined, { signal: context.signal });
  }
  return stop;
}
