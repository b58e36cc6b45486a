/** Trace information of received messages, RFC 5321 section 4.4. Pure. */
import { isAscii } from "node:buffer";
import type { Message } from "../message/header.ts";
import { addressLiteral, transmission } from "../message/trace.ts";
import { rfc5322Date } from "../smtp/date.ts";
import type { SessionInfo, Transaction } from "../smtp/types.ts";

export interface ReceivedFacts {
  readonly session: SessionInfo;
  readonly transaction: Transaction;
  /** Ours. */
  readonly hostname: string;
  readonly now: Date;
}

/** The Received field, folded, with its line end. */
export function receivedField({ session, transaction, hostname, now }: ReceivedFacts): string {
  const { recipients, parameters, number } = transaction;
  const [only, ...more] = recipients;
  // More than one would tell each recipient who the others are, blind copies too. One in UTF-8 would make any message need
  // SMTPUTF8 on its further way (RFC 6531 section 3.7.3).
  const tells = only !== undefined && more.length === 0 && isAscii(Buffer.from(only.address.text));
  const recipient = tells ? `\r\n\tfor <${only.address.text}>` : "";
  const tls = session.tls ? `\r\n\t(${session.tls.version}, ${session.tls.cipher})` : "";
  return [
    `Received: from ${session.helo ?? "unknown"} (${addressLiteral(session.clientAddress)})`,
    `\r\n\tby ${hostname} with ${transmission(session, parameters)} id ${session.id}.${number}`,
    `${tls}${recipient};\r\n\t${rfc5322Date(now)}\r\n`,
  ].join("");
}

/** How many hosts a message has passed: its Received fields (RFC 5321 section 6.3). */
export function hopCount({ fields }: Message): number {
  return fields.filter(({ name }) => name === "received").length;
}
