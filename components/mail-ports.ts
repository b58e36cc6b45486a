/** Where the parts of the system meet inside it. */

export const LMTP_PORT = 24;
/** Where a box hands out what its person's scripts answer. */
export const REPLY_PORT = 26;
/** What a box offers the front services: LMTP, replies, IMAP and ManageSieve (mailserver/images/box). */
export const BOX_PORTS = [LMTP_PORT, REPLY_PORT, 143, 4190] as const;
/** And where people may fetch their mail so. */
export const POP3_PORT = 110;
/** Where smtp-out's login guard answers `access`. */
export const LOGIN_GUARD_PORT = 10_026;
/** smtp-out's internal listener, and who logs in there. */
export const RELAY = {
  host: "smtp-out",
  port: 10_025,
  users: { smtpIn: "smtp-in", portal: "portal" },
} as const;
