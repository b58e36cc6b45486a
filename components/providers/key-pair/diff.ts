/** The pure part of KeyPair. */
import type { KeyObject } from "node:crypto";
import { z } from "zod";
import { changedKeys } from "../validate.ts";

/** The inputs' shape. */
export const shape = { algorithm: z.enum(["rsa-2048", "ed25519", "ecdsa-p256"]) };

/** Inputs after check. */
export const Inputs = z.object(shape);

/** Another algorithm makes another pair. */
export function compare(olds: Record<string, unknown>, news: Record<string, unknown>) {
  const replaces = changedKeys(Object.keys(shape), olds, news);
  return { changes: replaces.length > 0, replaces };
}

/** An Ed25519 SubjectPublicKeyInfo is this long before its key (RFC 8410 section 4). */
const ED25519_SPKI_HEADER = 12;

/** The `p=` value of a DKIM key record; of an ECDSA key, its SubjectPublicKeyInfo. */
export function dkimPublicKey(key: KeyObject): string {
  const der = key.export({ type: "spki", format: "der" });
  // RFC 8463 section 4.2: the bare public key, not the SubjectPublicKeyInfo that RFC 6376 has for RSA.
  return (key.asymmetricKeyType === "ed25519" ? der.subarray(ED25519_SPKI_HEADER) : der).toString("base64");
}
