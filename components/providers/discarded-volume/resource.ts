import type * as pulumi from "@pulumi/pulumi";
import { ShimResource, shim } from "../shim.ts";

/** Arguments of a DiscardedVolume. */
export interface DiscardedVolumeArgs {
  /** Name of the volume. */
  volume: pulumi.Input<string>;
  /** Tells one volume of that name from a later one: the day since which it is kept. */
  since: pulumi.Input<string>;
  /** Address of the Docker engine; empty: the one that this machine's `docker` talks to. */
  engine: pulumi.Input<string>;
}

const provider = shim("components/providers/discarded-volume/crud.ts");

/**
 * A volume that this update removes for good, whatever `keepVolumes` says. Declared by the one update that does so: a
 * volume that is merely left out, or destroyed with its stack, is not what somebody decided to throw away.
 */
export class DiscardedVolume extends ShimResource {
  constructor(name: string, args: DiscardedVolumeArgs, opts: pulumi.CustomResourceOptions = {}) {
    super(provider, name, { ...args }, opts, "DiscardedVolume");
  }
}
