/** Delivery status notifications: multipart/report (RFC 6522) with message/delivery-status (RFC 3464). */
import MimeNode from "nodemailer/lib/mime-node";
import { rfc5322Date } from "../smtp/date.ts";

/** A recipient whose delivery failed for good. */
export interface FailedDelivery {
  /** As the sender knows it. */
  readonly address: string;
  /** What the sender wrote, where that is known to be told (RFC 3464 section 2.3.1). */
  readonly original?: string;
  /** The message ran out of time rather than being refused. */
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
  /** Who the notification comes from. */
  readonly from: string;
  /** The reverse-path of the original. */
  readonly to: string;
  readonly messageId: string;
  readonly now: Date;
  /** When the original was taken in. */
  readonly arrival: Date;
  readonly recipients: readonly FailedDelivery[];
  readonly original: Uint8Array;
}

/** The whole notification as bytes, with the full header of the original (never its body). */
export async function composeDsn(facts: DsnFacts): Promise<Buffer> {
  const header = headerOf(facts.original);
  const root = new MimeNode("multipart/report; report-type=delivery-status", { newline: "win" });
  root.setHeader({
    from: { name: "Mail Delivery System", address: facts.from },
    to: facts.to,
    subject: "Undelivered mail returned to sender",
    date: facts.now,
    "message-id": facts.messageId,
    // RFC 3834 section 3.1.7: keeps vacation responders from answering.
    "auto-submitted": "auto-replied",
  });
  const original = fieldOf(header, "message-id");
  if (original !== undefined) root.setHeader({ "in-reply-to": original, references: original });
  root.createChild("text/plain; charset=utf-8").setContent(explanation(facts));
  part(root, "message/delivery-status", Buffer.from(deliveryStatus(facts)));
  // RFC 6533 section 6.4: a header with non-ASCII has a type of its own.
  const ascii = header.every((byte) => byte < 0x80);
  part(root, ascii ? "text/rfc822-headers" : "message/global-headers", header);
  return root.build();
}

function part(root: MimeNode, type: string, content: Buffer): void {
  // RFC 6522 section 3 forbids encodings but 7bit here; what is not ASCII stays as it is.
  const encoding = type === "message/global-headers" ? "8bit" : "7bit";
  const header = `Content-Type: ${type}\r\nContent-Transfer-Encoding: ${encoding}\r\n\r\n`;
  // Raw, since MimeNode would encode a header with long lines.
  root.createChild(type).setRaw(Buffer.concat([Buffer.from(header), content]));
}

function explanation({ hostname, recipients }: DsnFacts): string {
  const lines = recipients.flatMap(({ address, expired, answer }) => [
    `<${address}>`,
    expired
      ? "  could not be reached for so long that we have given up. The last answer was:"
      : `  refused the message${answer.host === undefined ? "" : ` (mail server ${answer.host})`}:`,
    `  ${answer.code} ${answer.status} ${answer.text}`,
    "",
  ]);
  return [
    `This is the mail server ${hostname}.`,
    "",
    "Your message could not be delivered to these recipients:",
    "",
    ...lines,
    "Other recipients, if there were any, are not affected. Check the addresses, or ask the recipients in",
    "another way; then send the message again to those listed here. Its header is attached.",
    "",
  ].join("\r\n");
}

function deliveryStatus(facts: DsnFacts): string {
  const message = [
    `Reporting-MTA: dns; ${facts.hostname}`,
    `Arrival-Date: ${rfc5322Date(facts.arrival)}`,
    "",
  ];
  const recipients = facts.recipients.flatMap(({ address, original, expired, answer }) => [
    ...(original === undefined ? [] : [`Original-Recipient: ${typed(original)}`]),
    `Final-Recipient: ${typed(address)}`,
    "Action: failed",
    // RFC 3463: a persistent transient failure that was given up; X.4.7 is "delivery time expired".
    `Status: ${expired ? "4.4.7" : answer.status}`,
    ...(answer.host === undefined ? [] : [`Remote-MTA: dns; ${answer.host}`]),
    `Diagnostic-Code: smtp; ${answer.code} ${answer.status} ${oneLine(answer.text)}`,
    `Last-Attempt-Date: ${rfc5322Date(facts.now)}`,
    "",
  ]);
  return [...message, ...recipients].join("\r\n");
}

/** RFC 6533 section 3: an address type of its own for non-ASCII addresses. */
function typed(address: string): string {
  return `${isAscii(address) ? "rfc822" : "utf-8"}; ${address}`;
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

function isAscii(text: string): boolean {
  return !/[^\x20-\x7e]/.test(text);
}
