/** The message that carries a report (RFC 8460 section 5.3). */
import MimeNode from "nodemailer/lib/mime-node";
import { dateOf, type Reporter, reportFile, reportId } from "./report.ts";
import type { DomainDay } from "./store.ts";

export interface ReportFacts {
  readonly of: DomainDay;
  readonly zipped: Buffer;
  readonly reporter: Reporter;
  readonly to: readonly string[];
  readonly messageId: string;
  readonly now: Date;
}

/** Unsigned. */
export async function composeReport({
  of,
  zipped,
  reporter,
  to,
  messageId,
  now,
}: ReportFacts): Promise<Buffer> {
  const root = new MimeNode('multipart/report; report-type="tlsrpt"', { newline: "win" });
  root.setHeader({
    from: { name: "Mail system", address: reporter.contact },
    to: [...to],
    subject: `Report Domain: ${of.domain} Submitter: ${reporter.domain} Report-ID: <${reportId(of, reporter)}>`,
    date: now,
    "message-id": messageId,
    "tls-report-domain": of.domain,
    "tls-report-submitter": reporter.domain,
    "auto-submitted": "auto-generated",
  });
  const text = [
    `This is a report about the TLS of mail that ${reporter.domain} sent to ${of.domain} on ${dateOf(of.day)} (UTC).`,
    `It is sent because of the record _smtp._tls.${of.domain} (RFC 8460). Questions: ${reporter.contact}`,
  ];
  root.createChild("text/plain; charset=us-ascii").setContent(`${text.join("\r\n")}\r\n`);
  root
    .createChild("application/tlsrpt+gzip", { filename: reportFile(of, reporter) })
    .setHeader("content-transfer-encoding", "base64")
    .setContent(zipped);
  return root.build();
}
