/** Whether this machine runs guests by its processor (KVM), or has to emulate one (TCG). */
import type { Deps } from "../libvirt/host.ts";
import type { Inputs } from "./diff.ts";

/** Ten times what it takes where it works. */
const PROOF_LIMIT_MS = 15_000;

/** How the guest is run, and why so. */
export interface Acceleration {
  readonly used: "kvm" | "tcg";
  readonly why: string;
}

/**
 * Starts the guest's own kernel under KVM, with nothing to mount: it says so (`Kernel panic`) and resets, which ends
 * qemu, within seconds. That /dev/kvm can be opened proves nothing: inside of some virtual machines the first
 * instructions of a real kernel stop such a guest for good.
 */
export async function chooseAcceleration(deps: Deps, { accelerator, image }: Inputs): Promise<Acceleration> {
  if (accelerator !== "auto") return { used: accelerator, why: "as the config says" };
  const args = [
    ...["-machine", "q35,accel=kvm", "-cpu", "host", "-m", "256", "-nodefaults", "-no-user-config"],
    ...["-display", "none", "-no-reboot", "-serial", "stdio", "-kernel", image.kernel],
    ...["-append", "console=ttyS0 panic=-1"],
  ];
  const { code, stdout, stderr } = await deps.run("qemu-system-x86_64", args, PROOF_LIMIT_MS);
  if (code === 0 && stdout.includes("Kernel panic"))
    return { used: "kvm", why: "a guest was seen to run with it" };
  const said =
    stderr
      .split("\n")
      .find((line) => /kvm/i.test(line))
      ?.trim() ?? `no guest came up (${code})`;
  return { used: "tcg", why: `KVM doesn't run guests here: ${said}` };
}
