/**
 * DKIM signatures (RFC 6376), relaxed/relaxed. Our own few lines because mailauth, which verifies them in the
 * tests, lists in `h=` only fields that exist: it can't over-sign.
 */
import { createHash, createPrivateKey, type KeyObject, sign } from "node:crypto";
import { promisify } from "node:util";
import type { DkimSettings } from "../contract.ts";
import { type Field, type Message, makeField } from "../message/header.ts";

/** Signs for one domain. */
export interface DkimSigner {
  readonly domain: string;
  /** One signature by each key of the domain. */
  sign(message: Message, now: Date): Promise<Field[]>;
}

const signAsync = promisify(sign);

/**
 * RFC 6376 section 5.4.1. Each is listed once more often than it is there, so that nobody can add another one
 * (section 8.15): a second From or Subject would break the signature.
 */
const SIGNED = [
  ...["from", "sender", "reply-to", "to", "cc", "subject", "date", "message-id", "in-reply-to", "references"],
  ...["mime-version", "content-type", "content-transfer-encoding"],
];

/**
 * Signed where they are there (RFC 6376 section 5.4.1), and not once more: a mailing list, or who resends a message, adds
 * theirs rightly. Without the two that unsubscribe nobody offers that with one click (RFC 8058 section 4).
 */
const SIGNED_IF_THERE = [
  ...["resent-date", "resent-from", "resent-sender", "resent-to", "resent-cc", "resent-message-id"],
  ...["list-id", "list-help", "list-unsubscribe", "list-unsubscribe-post"],
  ...["list-subscribe", "list-post", "list-owner", "list-archive"],
];

/** One signer for each domain. Reads the keys once; throws when one can't be read. */
export function createDkimSigners(all: readonly DkimSettings[]): DkimSigner[] {
  const keys = all.map((settings) => ({ settings, key: createPrivateKey(settings.privateKey) }));
  return [...new Set(all.map(({ domain }) => domain))].map((domain) => {
    const own = keys.filter(({ settings }) => settings.domain === domain);
    return {
      domain,
      sign: (message, now) => Promise.all(own.map((pair) => signMessage({ message, now, ...pair }))),
    };
  });
}

interface SignInput {
  readonly message: Message;
  readonly now: Date;
  readonly key: KeyObject;
  readonly settings: DkimSettings;
}

async function signMessage({ message, now, key, settings }: SignInput): Promise<Field> {
  const ed25519 = key.asymmetricKeyType === "ed25519";
  const bodyHash = createHash("sha256").update(relaxedBody(message.body)).digest("base64");
  const signed = signedFields(message.fields);
  const tags = [
    `v=1; a=${ed25519 ? "ed25519" : "rsa"}-sha256; c=relaxed/relaxed; d=${settings.domain}; s=${settings.selector};`,
    `t=${Math.floor(now.getTime() / 1000)}; bh=${bodyHash};`,
    `h=${fold(signed.map(({ name }, index) => name + (index + 1 < signed.length ? ":" : "")))};`,
    "b=",
  ].join("\r\n\t");
  // RFC 6376 section 3.7: the signature's own field comes last, with an empty b= and without its line break.
  const unsigned = relaxedField(makeField("DKIM-Signature", tags)).subarray(0, -2);
  const input = Buffer.concat([
    ...signed.flatMap(({ field }) => (field ? [relaxedField(field)] : [])),
    unsigned,
  ]);
  // RFC 8463 section 3: Ed25519 signs the SHA-256 hash of the input.
  const signature = ed25519
    ? await signAsync(null, createHash("sha256").update(input).digest(), key)
    : await signAsync("sha256", input, key);
  return makeField("DKIM-Signature", tags + fold(signature.toString("base64").match(/.{1,70}/g) ?? []));
}

/** From the last to the first of each name (RFC 6376 section 5.4.2), then once more for none where that is signed, too. */
function signedFields(fields: readonly Field[]): { name: string; field?: Field }[] {
  const there = (name: string) =>
    fields
      .filter((field) => field.name === name)
      .reverse()
      .map((field) => ({ name, field }));
  return [...SIGNED.flatMap((name) => [...there(name), { name }]), ...SIGNED_IF_THERE.flatMap(there)];
}

/** Lines of at most about 70 characters; a break may be between any two pieces. */
function fold(pieces: readonly string[]): string {
  const lines: string[] = [];
  let line = "";
  for (const piece of pieces) {
    if (line !== "" && line.length + piece.length > 70) {
      lines.push(line);
      line = "";
    }
    line += piece;
  }
  return [...lines, line].join("\r\n\t");
}

/** RFC 6376 section 3.4.2 */
function relaxedField({ name, raw }: Field): Buffer {
  const text = raw.toString("latin1");
  const value = text
    .slice(text.indexOf(":") + 1)
    .replace(/\r\n/g, "")
    .replace(/[ \t]+/g, " ")
    // Not trim(): it would take the last byte of a UTF-8 "à" for a space.
    .replace(/^ | $/g, "");
  return Buffer.from(`${name}:${value}\r\n`, "latin1");
}

const TAB = 9;
const LF = 10;
const CR = 13;
const SPACE = 32;

/**
 * RFC 6376 section 3.4.4: runs of blanks become one, those at the end of a line go, as do empty lines at the end.
 * Byte by byte into one buffer: a body may be large, and regular expressions over it need many times its size. By index
 * and without a call for each line, as all sessions wait meanwhile.
 */
function relaxedBody(body: Buffer): Buffer {
  const out = Buffer.allocUnsafe(body.length + 2);
  let length = 0;
  let blank = false;
  // Behind the last line that is not empty.
  let end = 0;
  let line = 0;
  const breakLine = (): void => {
    const empty = length === line;
    out[length++] = CR;
    out[length++] = LF;
    if (!empty) end = length;
    line = length;
    blank = false;
  };
  for (let index = 0; index < body.length; index += 1) {
    const byte = body[index] ?? 0;
    if (byte === SPACE || byte === TAB) blank = true;
    else if (byte === CR && body[index + 1] === LF) {
      breakLine();
      index += 1;
    } else {
      if (blank) out[length++] = SPACE;
      blank = false;
      out[length++] = byte;
    }
  }
  // Section 3.4.3: a body that does not end with a line break gets one.
  if (length > line) breakLine();
  return out.subarray(0, end);
}
