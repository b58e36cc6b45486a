/**
 * What of a stranger's words the check of a sender is given to read. mailauth reads all of it before it judges, at once,
 * and some shapes that nobody writes take it minutes, in which a worker does nothing else: long runs of blanks, fields
 * of thousands of lines, and a pass over the body for each kind of signature.
 */
import { Readable } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { type Field, formatMessage, type Message } from "./header.ts";

/** Nobody signs more often; each signature costs us a look-up and a verification (RFC 6376 section 8.4). */
const MAX_SIGNATURES = 10;
/** Ways in which the body is hashed for them; each is a pass over all of it. */
const MAX_BODY_PASSES = 3;
/** RFC 8617 section 4.2.1: fifty sets of three fields. */
const MAX_ARC_FIELDS = 150;
/** Bytes of a signature; a long one has a thousand. */
const MAX_SIGNATURE = 8_192;
/** Bytes of a From field, beyond which its author is unclear anyway. */
const MAX_FROM = 10_000;
/** Blanks one after the other; more are as good as one, and to an exact canonicalization (RFC 6376 section 3.4.1) they are broken. */
const MAX_BLANKS = 100;
/** Lines of a header; beyond these, fields are read unfolded. */
const MAX_LINES = 5_000;
/** Bytes of the body that are read before others have their turn. */
const PIECE = 256 * 1_024;

/** The message without what can't be read in a moment: a signature that is missed proves nothing, as one that is wrong. */
export function legible({ fields, body }: Message): Message {
  return squeezed({ fields: fields.filter(worthReading()), body });
}

/** The same message to a relaxed canonicalization (RFC 6376 section 3.4.2), with its fields' long runs of blanks made short. */
export function squeezed({ fields, body }: Message): Message {
  const lines = fields.reduce((sum, { raw }) => sum + countLines(raw), 0);
  return { fields: fields.map((field) => squeezeField(field, lines > MAX_LINES)), body };
}

/** Whether a field is one that somebody may have written in earnest. */
export function isLegible({ name, raw }: Field): boolean {
  if (name === "from") return raw.length <= MAX_FROM;
  return !isSignature(name) || raw.length <= MAX_SIGNATURE;
}

const isSignature = (name: string): boolean => name === "dkim-signature" || name.startsWith("arc-");

/** A text with its long runs of blanks made short. */
export function squeeze(text: string): string {
  return text.replace(/[ \t\r\n]+/g, (run) => (run.length > MAX_BLANKS ? " " : run));
}

/** The bytes of a message without a copy of its body, which may be large; between its pieces others have their turn. */
export function streamOf(message: Message): Readable {
  return Readable.from(piecesOf(message));
}

async function* piecesOf({ fields, body }: Message): AsyncGenerator<Buffer> {
  yield formatMessage({ fields, body: Buffer.alloc(0) });
  for (let at = 0; at < body.length; at += PIECE) {
    yield body.subarray(at, at + PIECE);
    await setImmediate();
  }
}

function worthReading(): (field: Field) => boolean {
  let signatures = 0;
  let arc = 0;
  const passes = new Set<string>();
  return (field) => {
    if (!isLegible(field)) return false;
    if (!isSignature(field.name)) return true;
    if (field.name !== "dkim-signature") {
      arc += 1;
      return arc <= MAX_ARC_FIELDS;
    }
    const pass = bodyPassOf(field.raw);
    if (signatures === MAX_SIGNATURES || (passes.size === MAX_BODY_PASSES && !passes.has(pass))) return false;
    signatures += 1;
    passes.add(pass);
    return true;
  };
}

/** What says how a signature's body is read (RFC 6376 section 3.5): algorithm, canonicalization and length. */
function bodyPassOf(raw: Buffer): string {
  const [, ...value] = raw.toString("latin1").split(":");
  const tags = value.join(":").replace(/\s/g, "").split(";");
  return tags
    .filter((tag) => /^[acl]=/.test(tag))
    .sort()
    .join(";");
}

function squeezeField({ name, raw }: Field, unfolded: boolean): Field {
  if (raw.length <= MAX_BLANKS) return { name, raw };
  const text = raw.toString("latin1", 0, raw.length - 2);
  const short = squeeze(unfolded ? text.replace(/\r\n/g, "") : text);
  return short.length === text.length ? { name, raw } : { name, raw: Buffer.from(`${short}\r\n`, "latin1") };
}

function countLines(raw: Buffer): number {
  let lines = 0;
  for (let at = raw.indexOf("\n"); at >= 0; at = raw.indexOf("\n", at + 1)) lines += 1;
  return lines;
}
