/** The part of the stack config about a host that the stack makes itself: a VM of this machine's libvirt. */
import { z } from "zod";
import { absolutePath, domainName } from "../components/providers/libvirt/fields.ts";
import { shape } from "../components/providers/libvirt-vm/diff.ts";
import { BridgeNetwork, LibvirtNetwork } from "../components/providers/libvirt-vm/network.ts";
import { identity, ipv4, port } from "./schema-fields.ts";
import { parseSize } from "./size.ts";

/** Sizes that qemu takes are whole numbers of a unit. */
function whole(unit: "MB" | "GB", minimum: number) {
  const factor = parseSize(`1${unit}`) ?? 1;
  return z.string().refine((text) => {
    const count = (parseSize(text) ?? 0) / factor;
    return Number.isInteger(count) && count >= minimum;
  }, `must be a whole number of ${unit}, ${minimum}${unit} or more`);
}

/** Behind this machine's own address. */
const UserNetwork = z.strictObject({
  kind: z
    .literal("user")
    .describe("`user`: behind forwards of this machine, to try things out: who the clients are is not seen."),
  bind: ipv4
    .default("127.0.0.1")
    .describe("The address of this machine on which the stack's ports are forwarded to the VM."),
  sshPort: port.describe("The port on 127.0.0.1 of this machine that is forwarded to the VM's sshd."),
  isolated: z.boolean().default(false).describe("No way out for the VM: it answers what is forwarded to it."),
});

export const Vm = z.strictObject({
  name: domainName
    .optional()
    .describe(
      "The VM's name in libvirt, and its host name. Default: `<project>-<stack>`. Another name is another VM.",
    ),
  folder: absolutePath
    .optional()
    .describe(
      "Folder of this machine for the VM's files; qemu's own user has to get there. Default: `/var/lib/libvirt/images/<name>`.",
    ),
  vcpus: shape.vcpus.default(2).describe("Processors."),
  memory: whole("MB", 768).default("2GB").describe("Memory. Grows while the VM runs, up to the double."),
  systemDisk: whole("GB", 4).default("8GB").describe("Size of the system disk. Grows while the VM runs."),
  dataDisk: whole("GB", 1)
    .default("32GB")
    .describe(
      "Size of the disk with all of Docker's data, the mail with it. The file takes what is written, no more. Grows while the VM runs; never shrinks.",
    ),
  network: z
    .discriminatedUnion("kind", [BridgeNetwork, LibvirtNetwork, UserNetwork])
    .describe("How the VM is on the network."),
  sshKeys: shape.authorizedKeys.describe(
    "Lines of `.pub` files: who may log in as root. Yours has to be among them.",
  ),
  identity,
  edition: z
    .string()
    .max(64)
    .default("")
    .describe(
      "Any text, such as the day. Another one makes the system disk anew, with Debian's packages of today; the data disk stays.",
    ),
  autostart: shape.autostart.describe("Start the VM with this machine."),
  accelerator: shape.accelerator.describe(
    "`auto`: KVM when a guest was seen to run with it, else emulation (`tcg`), which is slow. With `tcg` the containers are given more time to start, and looked at less often.",
  ),
  bootSeconds: shape.bootSeconds.describe("Seconds within which the VM's ssh has to answer."),
});
export type Vm = z.output<typeof Vm>;
