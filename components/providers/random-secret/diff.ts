/** The pure part of RandomSecret. */
import { z } from "zod";
import { changedKeys } from "../validate.ts";

/** The inputs' shape. */
export const shape = {
  bytes: z.int("must be a whole number").min(16, "at least 16 bytes").max(1024, "at most 1024").default(32),
  format: z.enum(["hex", "base64url", "base32"]).default("base64url"),
};

/** Inputs after check. */
export const Inputs = z.object(shape);

/** Every change makes a new secret. */
export function compare(olds: Record<string, unknown>, news: Record<string, unknown>) {
  const replaces = changedKeys(Object.keys(shape), olds, news);
  return { changes: replaces.length > 0, replaces };
}

// RFC 4648 section 6, in lower case.
const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";

/** RFC 4648 base32, lower case, without padding. */
export function base32(bytes: Uint8Array): string {
  let text = "";
  let held = 0;
  let bits = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    bits += 8;
    for (; bits >= 5; bits -= 5) text += ALPHABET.charAt((held >>> (bits - 5)) & 31);
    held &= (1 << bits) - 1;
  }
  return bits === 0 ? text : text + ALPHABET.charAt((held << (5 - bits)) & 31);
}

/** Writes random bytes in the wanted format. */
export function write(bytes: Buffer, format: z.infer<typeof Inputs>["format"]): string {
  return format === "base32" ? base32(bytes) : bytes.toString(format);
}
