/** Trace information of received messages, RFC 5321 section 4.4. Pure. */
import { isIPv6 } from "node:net";
import type { Message } from "../message/header.ts";
import { rfc5322Date } from "../smtp/date.ts";
import type { SessionInfo, Transaction } from "../smtp/types.ts";

export interface ReceivedFacts {
  readonly session: SessionInfo;
  readonly transaction: Transaction;
  /** Ours. */
  readonly hostname: string;
  readonly now: Date;
}

/** RFC 5321 section 4.1.3 */
function addressLiteral(address: string): string {
  return isIPv6(address) ? `[IPv6:${address}]` : `[${address}]`;
}

/** The Received field, folded, with its line end. */
export function receivedField({ session, transaction, hostname, now }: ReceivedFacts): string {
  const { recipients, parameters, number } = transaction;
  const [only, ...more] = recipients;
  // More than one would tell each recipient who the others are, blind copies too.
  const recipient = only && more.length === 0 ? `\r\n\tfor <${only.address.text}>` : "";
  // RFC 6531 section 4.3
  const protocol = parameters.smtputf8 ? session.protocol.replace("ESMTP", "UTF8SMTP") : session.protocol;
  const tls = session.tls ? `\r\n\t(${session.tls.version}, ${session.tls.cipher})` : "";
  return [
    `Received: from ${session.helo ?? "unknown"} (${addressLiteral(session.clientAddress)})`,
    `\r\n\tby ${hostname} with ${protocol} id ${session.id}.${number}`,
    `${tls}${recipient};\r\n\t${rfc5322Date(now)}\r\n`,
  ].join("");
}

/** How many hosts a message has passed: its Received fields (RFC 5321 section 6.3). */
export function hopCount({ fields }: Message): number {
  return fields.filter(({ name }) => name === "received").length;
}
