import type * as pulumi from "@pulumi/pulumi";
import { ShimResource, shim } from "../shim.ts";

/** Arguments of a LibvirtImage. */
export interface LibvirtImageArgs {
  /** Folder of this machine under which the image gets one of its own. */
  folder: pulumi.Input<string>;
  /** Counted up, or dated, to have the packages of today; any text. */
  edition?: pulumi.Input<string>;
}

const provider = shim("components/providers/libvirt-image/crud.ts");

/** The system of the mail VM: a disk image of Debian 13 with a Docker engine, and the kernel that starts it. */
export class LibvirtImage extends ShimResource {
  /** What it is made of; the resource's id. */
  declare readonly recipe: pulumi.Output<string>;
  /** Files. */
  declare readonly disk: pulumi.Output<string>;
  declare readonly kernel: pulumi.Output<string>;
  declare readonly initrd: pulumi.Output<string>;

  constructor(name: string, args: LibvirtImageArgs, opts: pulumi.CustomResourceOptions = {}) {
    const outputs = { recipe: undefined, disk: undefined, kernel: undefined, initrd: undefined };
    super(provider, name, { ...args, ...outputs }, opts, "LibvirtImage");
  }
}
