import type * as pulumi from "@pulumi/pulumi";
import { ShimResource, shim } from "../shim.ts";

/** Arguments of a DiskLimit. */
export interface DiskLimitArgs {
  /** Name of a volume on the file system that is meant. */
  volume: pulumi.Input<string>;
  /** Name of the guard's container, whose image can set limits. */
  guard: pulumi.Input<string>;
  /** The user id, of the host, that is limited. */
  user: pulumi.Input<number>;
  /** What all of the user's files there may take. */
  bytes: pulumi.Input<number>;
  /** How many they may be, folders included. */
  files: pulumi.Input<number>;
  /** Whether it is an error that the file system limits nobody. */
  required?: pulumi.Input<boolean>;
  /** Address of the Docker engine; empty, the default: the one that this machine's `docker` talks to. */
  engine?: pulumi.Input<string>;
}

const provider = shim("components/providers/disk-limit/crud.ts");

/**
 * What a user may have on the file system of a volume, kept by the kernel: a quota of that file system. Where it has none,
 * the resource says why, and nothing is limited.
 */
export class DiskLimit extends ShimResource {
  /** Why nothing is limited; empty where it is. */
  declare readonly why: pulumi.Output<string>;

  constructor(name: string, args: DiskLimitArgs, opts: pulumi.CustomResourceOptions = {}) {
    const outputs = { limit: undefined, why: undefined };
    super(provider, name, { ...args, ...outputs }, opts, "DiskLimit");
  }
}
