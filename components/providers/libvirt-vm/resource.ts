import * as pulumi from "@pulumi/pulumi";
import { ShimResource, shim } from "../shim.ts";
import type { Network } from "./network.ts";

/** Arguments of a LibvirtVm. */
export interface LibvirtVmArgs {
  /** `qemu:///system` (default) or `qemu:///session`. */
  uri?: pulumi.Input<string>;
  /** The domain's and the guest's name. Another name is another VM. */
  name: pulumi.Input<string>;
  /** Folder of this machine for the VM's files. */
  folder: pulumi.Input<string>;
  vcpus: pulumi.Input<number>;
  memoryMiB: pulumi.Input<number>;
  /** Size of the system disk. Grows in place, never shrinks. */
  systemGiB: pulumi.Input<number>;
  /** What the system disk is made from. Another id makes it anew; the data disk stays. */
  image: pulumi.Input<{
    id: pulumi.Input<string>;
    disk: pulumi.Input<string>;
    kernel: pulumi.Input<string>;
    initrd: pulumi.Input<string>;
  }>;
  /** File with the data disk. */
  dataDisk: pulumi.Input<string>;
  network: pulumi.Input<Network>;
  /** Lines of `.pub` files: who may log in as root. */
  authorizedKeys: pulumi.Input<pulumi.Input<string>[]>;
  /** The ed25519 key of the guest's sshd: PKCS #8 PEM (secret), and its public half as `ssh-ed25519 AAAA…`. */
  hostKeyPem: pulumi.Input<string>;
  hostKey: pulumi.Input<string>;
  /** Whether it starts with this machine; default true. */
  autostart?: pulumi.Input<boolean>;
  /** `auto` (default): KVM when a guest was seen to run with it, else TCG. */
  accelerator?: pulumi.Input<"auto" | "kvm" | "tcg">;
  /** Seconds in which its ssh has to answer; default 300. */
  bootSeconds?: pulumi.Input<number>;
}

const provider = shim("components/providers/libvirt-vm/crud.ts");

/** A virtual machine of this machine's libvirt, made from a LibvirtImage and a LibvirtDisk, with ssh answering. */
export class LibvirtVm extends ShimResource {
  /** How it is reached. */
  declare readonly address: pulumi.Output<string>;
  declare readonly sshPort: pulumi.Output<number>;
  declare readonly user: pulumi.Output<string>;
  declare readonly hostKey: pulumi.Output<string>;
  /** `kvm` or `tcg`. */
  declare readonly acceleratorUsed: pulumi.Output<string>;

  constructor(name: string, args: LibvirtVmArgs, opts: pulumi.CustomResourceOptions = {}) {
    const secret = pulumi.mergeOptions(opts, { additionalSecretOutputs: ["hostKeyPem"] });
    const inputs = { ...args, hostKeyPem: pulumi.secret(args.hostKeyPem) };
    const outputs = { address: undefined, sshPort: undefined, user: undefined, acceleratorUsed: undefined };
    super(provider, name, { ...inputs, ...outputs }, secret, "LibvirtVm");
  }
}
