/** The one error of the mail path: what the client may read, and why it happened for the log alone. */
import type { Reply } from "./types.ts";

export class SmtpError extends Error {
  override readonly name = "SmtpError";
  /** Sent to the client. */
  readonly reply: Reply;

  /** `cause` goes to the log only. */
  constructor(reply: Reply, cause?: unknown) {
    super(`${reply.code} ${reply.enhanced ?? ""} ${reply.lines.join(" ")}`, { cause });
    this.reply = reply;
  }
}
