import * as pulumi from "@pulumi/pulumi";
import { ShimResource, shim } from "../shim.ts";

/** Arguments of a RandomSecret. */
export interface RandomSecretArgs {
  /** How many random bytes; 16 to 1024. Default 32. */
  bytes?: pulumi.Input<number>;
  /** How they are written. `base32` is lower case and unpadded: fit to be read out and typed. Default `base64url`. */
  format?: pulumi.Input<"hex" | "base64url" | "base32">;
}

const provider = shim("components/providers/random-secret/crud.ts");

/** A random secret made once and kept, encrypted, in the state. A change of its arguments makes a new one. */
export class RandomSecret extends ShimResource {
  /** The secret. */
  declare readonly value: pulumi.Output<string>;

  constructor(name: string, args: RandomSecretArgs = {}, opts: pulumi.CustomResourceOptions = {}) {
    const secret = pulumi.mergeOptions(opts, { additionalSecretOutputs: ["value"] });
    super(provider, name, { ...args, value: undefined }, secret, "RandomSecret");
  }
}
