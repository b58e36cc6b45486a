/** What a server session says in cases that need no state of it. */
import type { DataFault } from "./data-reader.ts";
import { decodeLine, type LineEvent } from "./line-reader.ts";
import { type Checked, no, ok } from "./path.ts";
import * as replies from "./replies.ts";
import type { Decision, Reply, ServerOptions, SessionInfo, Transaction } from "./types.ts";

/** A line as text, with its length on the wire. */
export interface Line {
  readonly text: string;
  readonly length: number;
}

/** The text of a line, or why it is refused. */
export function lineText(event: LineEvent, inAuth: boolean): Checked<Line> {
  if (event.kind === "bareLineFeed") return no(replies.bareLineFeed);
  if (event.kind === "tooLong") return no(inAuth ? replies.authLineTooLong : replies.lineTooLong);
  const text = decodeLine(event.bytes);
  if (text !== undefined) return ok({ text, length: event.bytes.length + 2 });
  const start = Buffer.from(event.bytes.subarray(0, 4)).toString("latin1");
  // Octets may follow of which nobody knows how many.
  return no(!inAuth && /^bdat/i.test(start) ? replies.badChunk : replies.badCharacters);
}

/** Why a message is refused after it was read to its end. */
export function faultReply(fault: DataFault, limit: number): Reply {
  return { bareLineEnd: replies.bareLineEnd, nul: replies.nulByte, tooLarge: replies.messageTooLarge(limit) }[
    fault
  ];
}

/** What is said to a message; RFC 2033 section 4.2: in LMTP to each recipient, also when all are refused alike. */
export function messageReplies(
  protocol: ServerOptions["protocol"],
  { recipients }: Transaction,
  decision: Decision,
): Reply[] {
  const usual = (): Reply => {
    if (decision.kind === "refuse") return decision.reply;
    if (decision.kind === "accept") return decision.reply ?? replies.accepted;
    return replies.localError;
  };
  if (protocol === "smtp") return [usual()];
  if (decision.kind !== "perRecipient") return recipients.map(usual);
  return recipients.map((_, index) => decision.replies[index] ?? replies.localError);
}

/** The `with` word of the Received header, RFC 3848. */
export function protocolName(options: ServerOptions, info: SessionInfo, extended: boolean): string {
  const { tls, user } = info;
  const plain = tls === undefined && user === undefined && !extended;
  const base = options.protocol === "lmtp" ? "LMTP" : plain ? "SMTP" : "ESMTP";
  return `${base}${tls === undefined ? "" : "S"}${user === undefined ? "" : "A"}`;
}
