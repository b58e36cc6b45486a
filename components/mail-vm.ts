import * as pulumi from "@pulumi/pulumi";
import { KeyPair } from "./providers/key-pair/resource.ts";
import { LibvirtDisk } from "./providers/libvirt-disk/resource.ts";
import { LibvirtImage } from "./providers/libvirt-image/resource.ts";
import type { Network } from "./providers/libvirt-vm/network.ts";
import { LibvirtVm } from "./providers/libvirt-vm/resource.ts";
import { opensshKey } from "./ssh-key.ts";
import { TYPES } from "./types.ts";
import type { DataPolicy } from "./volume.ts";

export interface MailVmArgs {
  /** Names the VM and everything of it. */
  prefix: string;
  /** Folder of this machine below which its files lie. */
  folder: string;
  vcpus: number;
  memoryMiB: number;
  /** Sizes of the system's and the mail's disk. */
  systemGiB: number;
  dataGiB: number;
  network: Network;
  /** Lines of `.pub` files: who may log in as root. */
  authorizedKeys: readonly string[];
  /** Another text makes the system anew, with Debian's packages of that day. */
  edition?: string | undefined;
  autostart?: boolean | undefined;
  accelerator?: "auto" | "kvm" | "tcg" | undefined;
  bootSeconds?: number | undefined;
  policy: DataPolicy;
}

/** How the VM is logged in to; its host key is known before its first start. */
export interface VmAccess {
  readonly address: string;
  readonly port: number;
  readonly user: string;
  readonly hostKey: string;
}

/** A virtual machine of this machine's libvirt that carries the mail system, with the mail on a disk of its own. */
export class MailVm extends pulumi.ComponentResource {
  /** Known when ssh answers. */
  readonly access: pulumi.Output<VmAccess>;

  constructor(name: string, args: MailVmArgs, opts?: pulumi.ComponentResourceOptions) {
    super(TYPES.mailVm, name, {}, opts);
    const { prefix, folder, policy } = args;
    const parent = { parent: this };
    const image = new LibvirtImage(`${name}-image`, { folder, edition: args.edition ?? "" }, parent);
    const data = new LibvirtDisk(
      `${name}-data`,
      {
        path: `${folder}/data.qcow2`,
        sizeGiB: args.dataGiB,
        domain: prefix,
        deletable: !policy.protect && !policy.keepVolumes,
      },
      { ...parent, protect: policy.protect, retainOnDelete: policy.keepVolumes },
    );
    const key = new KeyPair(`${name}-host-key`, { algorithm: "ed25519" }, parent);
    const vm = new LibvirtVm(
      `${name}-machine`,
      {
        ...{ name: prefix, folder: `${folder}/vm`, network: args.network },
        ...{ vcpus: args.vcpus, memoryMiB: args.memoryMiB, systemGiB: args.systemGiB },
        image: { id: image.recipe, disk: image.disk, kernel: image.kernel, initrd: image.initrd },
        dataDisk: data.path,
        authorizedKeys: [...args.authorizedKeys],
        hostKeyPem: key.privateKeyPem,
        hostKey: key.publicKeyBase64.apply(opensshKey),
        autostart: args.autostart ?? true,
        accelerator: args.accelerator ?? "auto",
        bootSeconds: args.bootSeconds ?? 300,
      },
      parent,
    );
    this.access = pulumi
      .all([vm.address, vm.sshPort, vm.user, vm.hostKey])
      .apply(([address, port, user, hostKey]) => ({ address, port, user, hostKey }));
    this.registerOutputs({ access: this.access });
  }
}
