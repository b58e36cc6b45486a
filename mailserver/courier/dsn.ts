/** Delivery status notifications: multipart/report (RFC 6522) with message/delivery-status (RFC 3464). */
import { isAscii } from "node:buffer";
import MimeNode from "nodemailer/lib/mime-node";
import type { Language } from "../contract.ts";
import type { Owed } from "../queue/item.ts";
import { rfc5322Date } from "../smtp/date.ts";
import type { OriginalRecipient } from "../smtp/types.ts";
import { explain, subjectOf } from "./dsn-text.ts";

/** What became of a recipient. */
export interface Reported {
  /** As the sender knows it. */
  readonly address: string;
  /** What the sender wrote, where that is known to be told (RFC 3464 section 2.3.1). */
  readonly original?: OriginalRecipient;
  readonly action: Owed;
  /** A failure because the message ran out of time rather than was refused. */
  readonly expired: boolean;
  readonly answer: {
    readonly code: number;
    readonly status: string;
    readonly text: string;
    readonly host?: string | undefined;
  };
}

export interface DsnFacts {
  /** The reporting MTA: us. */
  readonly hostname: string;
  readonly language: Language;
  /** Who the notification comes from. */
  readonly from: string;
  /** The reverse-path of the original. */
  readonly to: string;
  readonly messageId: string;
  readonly now: Date;
  /** When the original was taken in. */
  readonly arrival: Date;
  /** Until when delayed recipients are tried. */
  readonly until: Date;
  /** ENVID of the original. */
  readonly envid?: string;
  readonly recipients: readonly Reported[];
  readonly original: Uint8Array;
  /** The whole original comes back, rather than its header. */
  readonly whole: boolean;
}

/** The whole notification as bytes. */
export async function composeDsn(facts: DsnFacts): Promise<Buffer> {
  const header = headerOf(facts.original);
  const root = new MimeNode("multipart/report; report-type=delivery-status", { newline: "win" });
  const { sender, subject } = subjectOf(facts);
  root.setHeader({
    from: { name: sender, address: facts.from },
    to: facts.to,
    subject,
    date: facts.now,
    "message-id": facts.messageId,
    // RFC 3834 section 3.1.7: keeps vacation responders from answering.
    "auto-submitted": "auto-replied",
  });
  const original = fieldOf(header, "message-id");
  if (original !== undefined) root.setHeader({ "in-reply-to": original, references: original });
  root.createChild("text/plain; charset=utf-8").setContent(explain(facts));
  const status = Buffer.from(deliveryStatus(facts));
  // RFC 6533 section 4: what names an address in UTF-8 has a type of its own, as has a header with such bytes.
  part(root, isAscii(status) ? "message/delivery-status" : "message/global-delivery-status", status);
  const content = facts.whole ? facts.original : header;
  const kind = facts.whole ? (["message/rfc822", "message/global"] as const) : HEADERS;
  part(root, kind[isAscii(header) ? 0 : 1], content);
  return root.build();
}

const HEADERS = ["text/rfc822-headers", "message/global-headers"] as const;

function part(root: MimeNode, type: string, content: Uint8Array): void {
  // RFC 6522 section 3 forbids encodings but 7bit here; what is not ASCII stays as it is.
  const encoding = isAscii(content) ? "7bit" : "8bit";
  const header = `Content-Type: ${type}\r\nContent-Transfer-Encoding: ${encoding}\r\n\r\n`;
  // Raw, since MimeNode would encode a header with long lines.
  root.createChild(type).setRaw(Buffer.concat([Buffer.from(header), content]));
}

function deliveryStatus(facts: DsnFacts): string {
  const message = [
    // RFC 3464 section 2.2.1: as it was, once xtext is undone.
    ...(facts.envid === undefined ? [] : [`Original-Envelope-Id: ${facts.envid}`]),
    `Reporting-MTA: dns; ${facts.hostname}`,
    `Arrival-Date: ${rfc5322Date(facts.arrival)}`,
    "",
  ];
  return [...message, ...facts.recipients.flatMap((recipient) => recipientFields(recipient, facts))].join(
    "\r\n",
  );
}

function recipientFields(
  { address, original, action, expired, answer }: Reported,
  { now, until }: DsnFacts,
): string[] {
  return [
    ...(original === undefined ? [] : [`Original-Recipient: ${original.type}; ${original.address}`]),
    `Final-Recipient: ${typed(address)}`,
    `Action: ${action}`,
    // RFC 3463: a persistent transient failure that was given up; X.4.7 is "delivery time expired".
    `Status: ${expired ? "4.4.7" : answer.status}`,
    ...(answer.host === undefined ? [] : [`Remote-MTA: dns; ${oneLine(answer.host)}`]),
    `Diagnostic-Code: smtp; ${answer.code} ${answer.status} ${oneLine(answer.text)}`,
    `Last-Attempt-Date: ${rfc5322Date(now)}`,
    ...(action === "delayed" ? [`Will-Retry-Until: ${rfc5322Date(until)}`] : []),
    "",
  ];
}

/** RFC 6533 section 3: an address type of its own for non-ASCII addresses. */
function typed(address: string): string {
  return `${isAscii(Buffer.from(address)) ? "rfc822" : "utf-8"}; ${address}`;
}

/** Up to and with the line break before the empty line. */
function headerOf(message: Uint8Array): Buffer {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength);
  const end = bytes.indexOf("\r\n\r\n");
  return end < 0 ? bytes : bytes.subarray(0, end + 2);
}

function fieldOf(header: Buffer, name: string): string | undefined {
  const field = new RegExp(`^${name}:[ \\t]*([^\\r\\n]+(?:\\r\\n[ \\t][^\\r\\n]*)*)`, "im").exec(
    header.toString("latin1"),
  );
  return field?.[1]?.replace(/\r\n/g, "").trim();
}

/** A peer's words never break out of their field. */
function oneLine(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?");
}
