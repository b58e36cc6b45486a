/** The operations of KeyPair; loaded by the shim when one runs. */
import { createHash, generateKeyPair } from "node:crypto";
import { promisify } from "node:util";
import type { Props } from "../shim.ts";
import { checkInputs } from "../validate.ts";
import { compare, dkimPublicKey, Inputs, shape } from "./diff.ts";

const generate = promisify(generateKeyPair);

const GENERATE = {
  "rsa-2048": () => generate("rsa", { modulusLength: 2048 }),
  ed25519: () => generate("ed25519"),
  "ecdsa-p256": () => generate("ec", { namedCurve: "P-256" }),
};

/** Validates. */
export async function check(_olds: Props, news: Props) {
  return checkInputs(shape, news);
}

/** Says whether a new pair is needed. */
export async function diff(_id: string, olds: Props, news: Props) {
  return compare(olds, news);
}

/** Makes the pair. The id is the SHA-256 of the public key. */
export async function create(props: Props) {
  const { algorithm } = Inputs.parse(props);
  const { privateKey, publicKey } = await GENERATE[algorithm]();
  const spki = publicKey.export({ type: "spki", format: "der" });
  return {
    id: createHash("sha256").update(spki).digest("hex"),
    outs: {
      algorithm,
      privateKeyPem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
      publicKeyPem: publicKey.export({ type: "spki", format: "pem" }).toString(),
      publicKeyBase64: dkimPublicKey(publicKey),
    },
  };
}
