/** A message in pieces that keep memory and deadlines even. */
import type { Body } from "./types.ts";

/** Bytes that are written at once. */
export const PIECE = 65_536;

export async function* pieces(body: Body): AsyncGenerator<Uint8Array> {
  if (!(body instanceof Uint8Array)) {
    yield* body;
    return;
  }
  for (let at = 0; at < body.length; at += PIECE) yield body.subarray(at, at + PIECE);
}
