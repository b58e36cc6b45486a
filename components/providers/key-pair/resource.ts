import * as pulumi from "@pulumi/pulumi";
import { ShimResource, shim } from "../shim.ts";

/** Arguments of a KeyPair. */
export interface KeyPairArgs {
  algorithm: pulumi.Input<"rsa-2048" | "ed25519" | "ecdsa-p256">;
}

const provider = shim("components/providers/key-pair/crud.ts");

/** A key pair made once and kept in the state, the private half encrypted. */
export class KeyPair extends ShimResource {
  /** PKCS #8 PEM; secret. */
  declare readonly privateKeyPem: pulumi.Output<string>;
  /** SPKI PEM. */
  declare readonly publicKeyPem: pulumi.Output<string>;
  /** The `p=` value of a DKIM record: SPKI DER of an RSA or ECDSA key, the bare 32 bytes of an Ed25519 key, in base64. */
  declare readonly publicKeyBase64: pulumi.Output<string>;

  constructor(name: string, args: KeyPairArgs, opts: pulumi.CustomResourceOptions = {}) {
    const secret = pulumi.mergeOptions(opts, { additionalSecretOutputs: ["privateKeyPem"] });
    const outputs = { privateKeyPem: undefined, publicKeyPem: undefined, publicKeyBase64: undefined };
    super(provider, name, { ...args, ...outputs }, secret, "KeyPair");
  }
}
