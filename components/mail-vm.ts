import * as pulumi from "@pulumi/pulumi";
import { KeyPair } from "./providers/key-pair/resource.ts";
import { LibvirtDisk } from "./providers/libvirt-disk/resource.ts";
import { LibvirtImage } from "./providers/libvirt-image/resource.ts";
import { type Network, sshPlace } from "./providers/libvirt-vm/network.ts";
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
  edition: string;
  autostart: boolean;
  accelerator: "auto" | "kvm" | "tcg";
  bootSeconds: number;
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
  /** Known when ssh answers. In a preview: what it will be, if the machine is there. */
  readonly access: pulumi.Output<VmAccess>;
  /** Names what its system was made from. */
  readonly system: pulumi.Output<string>;
  /** Unknown in a preview that changes the machine, so that it may not be reached before the update. */
  readonly settled: pulumi.Output<unknown>;

  constructor(name: string, args: MailVmArgs, opts?: pulumi.ComponentResourceOptions) {
    super(TYPES.mailVm, name, {}, opts);
    const { prefix, folder, policy } = args;
    const parent = { parent: this };
    const image = new LibvirtImage(`${name}-image`, { folder, edition: args.edition }, parent);
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
        autostart: args.autostart,
        accelerator: args.accelerator,
        bootSeconds: args.bootSeconds,
      },
      parent,
    );
    const { address, port } = sshPlace(args.network);
    const hostKey = key.publicKeyBase64.apply(opensshKey);
    // By its id, not by what it answers: that is unknown in each preview that changes it.
    this.access = pulumi
      .all([vm.id, hostKey])
      .apply(([, shown]) => ({ address, port, user: "root", hostKey: shown }));
    this.system = image.recipe;
    this.settled = vm.address;
    this.registerOutputs({ access: this.access });
  }
}
