/** What is said of a person who reached a sending limit: to them, and to the postmaster. Pure. */
import type { SendingSettings } from "../contract.ts";
import type { NewItem } from "../queue/item.ts";
import { rfc5322Date } from "../smtp/date.ts";
import { reply } from "../smtp/replies.ts";
import type { Reply } from "../smtp/types.ts";
import type { Limit } from "./sending-limits.ts";

const WORDS: Readonly<Record<Limit, (limit: number) => string>> = {
  messagesPerMinute: (limit) => `${limit} messages in a minute are the limit: try again in a minute`,
  messagesPerDay: (limit) => `${limit} messages a day are the limit: try again tomorrow, or ask postmaster`,
  newRecipientsPerDay: (limit) =>
    `${limit} recipients a day that you never wrote to are the limit: try again tomorrow, or ask postmaster`,
};

/** Where in a transaction it is said. */
export type Stage = "mail" | "rcpt" | "message";

/**
 * For now: mail programs keep the message and try again. At RCPT it is 452 4.5.3, too many recipients (RFC 5321 section
 * 4.5.3.1.10), since those that were taken before can still have the message.
 */
export function limitReply(limit: Limit, limits: SendingSettings, stage: Stage): Reply {
  const words = WORDS[limit](limits[limit]);
  return limit === "newRecipientsPerDay" && stage === "rcpt"
    ? reply(452, "4.5.3", words)
    : reply(450, "4.7.1", words);
}

export interface WarningFacts {
  readonly uid: string;
  readonly limit: Limit;
  readonly limits: SendingSettings;
  readonly id: string;
  readonly now: number;
  readonly hostname: string;
  readonly domain: string;
}

/** A message to the postmaster, with a null reverse-path: nobody is to answer it. */
export function limitWarning({ uid, limit, limits, id, now, hostname, domain }: WarningFacts): NewItem {
  const postmaster = `postmaster@${domain}`;
  const lines = [
    `From: Mail system <${postmaster}>`,
    `To: ${postmaster}`,
    `Subject: ${uid} has reached a sending limit`,
    `Date: ${rfc5322Date(new Date(now))}`,
    `Message-ID: <${id}@${hostname}>`,
    "Auto-Submitted: auto-generated",
    "MIME-Version: 1.0",
    "Content-Type: text/plain; charset=us-ascii",
    "",
    `${uid} was refused a message (${limit}: ${limits[limit]}).`,
    "",
    "If this is not what they meant to send, somebody may have their password: change it, which lets nobody send who knows",
    "the old one, and restart their box, which ends the sessions in which their mail is read.",
    "If it is, raise semail:smtpOut.limits, or name them in its exempt. No further warning today.",
    "",
  ];
  return {
    id,
    created: now,
    envelope: { from: "", eightBit: false, smtputf8: false },
    recipients: [{ address: postmaster, destination: `local:${postmaster}` }],
    body: Buffer.from(lines.join("\r\n")),
  };
}
