/** What a server session says in cases that need no state of it. */
import type { DataFault } from "./data-reader.ts";
import * as replies from "./replies.ts";
import type { Decision, Reply, ServerOptions, SessionInfo, Transaction } from "./types.ts";

/** Why a message is refused after it was read to its end. */
export function faultReply(fault: DataFault, limit: number): Reply {
  return { bareLineEnd: replies.bareLineEnd, nul: replies.nulByte, tooLarge: replies.messageTooLarge(limit) }[
    fault
  ];
}

/** RFC 2033 section 4.2: one reply for each accepted RCPT, in their order. */
export function lmtpReplies({ recipients }: Transaction, decision: Decision): Reply[] {
  return recipients.map((_, index) => {
    if (decision.kind === "perRecipient") return decision.replies[index] ?? replies.localError;
    if (decision.kind === "refuse") return decision.reply;
    return decision.kind === "accept" && decision.reply ? decision.reply : replies.accepted;
  });
}

/** The `with` word of the Received header, RFC 3848. */
export function protocolName(options: ServerOptions, info: SessionInfo, extended: boolean): string {
  const { tls, user } = info;
  const plain = tls === undefined && user === undefined && !extended;
  const base = options.protocol === "lmtp" ? "LMTP" : plain ? "SMTP" : "ESMTP";
  return `${base}${tls === undefined ? "" : "S"}${user === undefined ? "" : "A"}`;
}
