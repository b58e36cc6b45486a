import type * as pulumi from "@pulumi/pulumi";
import { ShimResource, shim } from "../shim.ts";

/** Arguments of a LibvirtDisk. */
export interface LibvirtDiskArgs {
  /** `qemu:///system` (default) or `qemu:///session`. */
  uri?: pulumi.Input<string>;
  /** The file; one that is there is taken over. */
  path: pulumi.Input<string>;
  /** Grows in place, never shrinks. */
  sizeGiB: pulumi.Input<number>;
  /** Name of the VM that uses it. */
  domain: pulumi.Input<string>;
  /** Whether a delete removes the file; otherwise it is refused. Counts from the update on that says so. */
  deletable?: pulumi.Input<boolean>;
}

const provider = shim("components/providers/libvirt-disk/crud.ts");

/** The data disk of the mail VM: formatted once, when it is made, and kept when the VM is replaced. */
export class LibvirtDisk extends ShimResource {
  declare readonly path: pulumi.Output<string>;

  constructor(name: string, args: LibvirtDiskArgs, opts?: pulumi.CustomResourceOptions) {
    super(provider, name, { ...args }, opts, "LibvirtDisk");
  }
}
