/** What a client says of a message's envelope, and what a peer can't be told of it. Pure. */
import { isAscii } from "node:buffer";
import { writeMailParameters, writeRcptParameters } from "./dsn-parameters.ts";
import * as replies from "./replies.ts";
import type { Address, Envelope, Reply, ReversePath } from "./types.ts";

/** Whether an address needs the peer's consent: RFC 6531 section 3.2. */
const isWide = (address: ReversePath): boolean => !isAscii(Buffer.from(address?.text ?? ""));

/** Why this peer can't take this message at all, before anything is sent. */
export function impossible(
  envelope: Envelope,
  extensions: ReadonlyMap<string, readonly string[]>,
): Reply | undefined {
  // RFC 6531 section 3.2 and RFC 6152 section 3: not without the peer's consent.
  const wide = envelope.smtputf8 || isWide(envelope.from);
  if (wide && !extensions.has("SMTPUTF8")) return replies.peerLacksUtf8;
  if (envelope.eightBit && !extensions.has("8BITMIME")) return replies.peerLacksEightBit;
  // RFC 3030 section 3: it needs both, and we don't convert.
  const binary = extensions.has("BINARYMIME") && extensions.has("CHUNKING");
  if (envelope.binary === true && !binary) return replies.peerLacksBinary;
  // RFC 1870 section 4: no number, or 0, is no limit.
  const limit = Number(extensions.get("SIZE")?.[0] ?? 0);
  return limit > 0 && envelope.size > limit ? replies.peerSizeLimit(limit) : undefined;
}

/** Why this recipient can't be named to this peer: that is no matter of the others. */
export function unreachable(
  recipient: Address,
  extensions: ReadonlyMap<string, readonly string[]>,
): Reply | undefined {
  return isWide(recipient) && !extensions.has("SMTPUTF8") ? replies.peerLacksUtf8 : undefined;
}

/** The path as written. An address never comes from a parser with these characters; a line break would be a command. */
function path(address: ReversePath): string {
  const text = address?.text ?? "";
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what must not be there
  if (/[\x00-\x1f\x7f]/.test(text)) throw new Error("control characters in an address");
  return `<${text}>`;
}

export function mailLine(envelope: Envelope, extensions: ReadonlyMap<string, readonly string[]>): string {
  // RFC 6531 section 3.4: said where the message or one of the addresses needs it. Who needs it of a peer without it is not
  // among the recipients.
  const wide = envelope.smtputf8 || [envelope.from, ...envelope.recipients].some(isWide);
  const body = envelope.binary === true ? "BINARYMIME" : envelope.eightBit ? "8BITMIME" : undefined;
  const parameters = [
    ...(extensions.has("SIZE") ? [` SIZE=${envelope.size}`] : []),
    ...(body === undefined ? [] : [` BODY=${body}`]),
    ...(wide && extensions.has("SMTPUTF8") ? [" SMTPUTF8"] : []),
    ...(extensions.has("DSN") ? [writeMailParameters(envelope.dsn ?? {})] : []),
  ];
  return `MAIL FROM:${path(envelope.from)}${parameters.join("")}`;
}

export function rcptLine(
  envelope: Envelope,
  index: number,
  extensions: ReadonlyMap<string, unknown>,
): string {
  const dsn = extensions.has("DSN") ? writeRcptParameters(envelope.recipientDsn?.[index] ?? {}) : "";
  return `RCPT TO:${path(envelope.recipients[index] ?? null)}${dsn}`;
}
