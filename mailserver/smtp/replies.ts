/** Replies by name. Each has an enhanced status code (RFC 3463) and a text that tells a person what to do. */
import type { Reply } from "./types.ts";

/** Makes a reply: `reply(550, "5.1.1", "No such person here")`. */
export function reply(code: number, enhanced: string, ...lines: [string, ...string[]]): Reply {
  return { code, enhanced, lines };
}

/** The same reply, closing the connection after it. */
export function closing(of: Reply): Reply {
  return { ...of, close: true };
}

// 2xx and 3xx
/** The greeting, RFC 5321 section 4.2; no enhanced code (RFC 2034 section 4). */
export const greeting = (hostname: string, protocol: "ESMTP" | "LMTP"): Reply => ({
  code: 220,
  lines: [`${hostname} ${protocol} ready`],
});
export const extensions = (hostname: string, keywords: readonly string[]): Reply => ({
  code: 250,
  lines: [hostname, ...keywords],
});
export const startData: Reply = {
  code: 354,
  lines: ["Send the message, end it with a line of a single dot"],
};
/** RFC 4954 section 4: a challenge in base64. */
export const challenge = (text: string): Reply => ({
  code: 334,
  lines: [Buffer.from(text, "utf8").toString("base64")],
});
export const readyForTls = reply(220, "2.0.0", "Start the TLS negotiation");
export const bye = closing(reply(221, "2.0.0", "Bye"));
export const authenticated = reply(235, "2.7.0", "Authenticated");
export const done = reply(250, "2.0.0", "OK");
export const senderOk = reply(250, "2.1.0", "Sender OK");
export const recipientOk = reply(250, "2.1.5", "Recipient OK");
export const accepted = reply(250, "2.0.0", "Message accepted");
/** RFC 3030 section 2: each chunk is answered. */
export const chunkAccepted = (octets: number): Reply => reply(250, "2.0.0", `${octets} octets received`);
/** RFC 5321 section 3.5.3: 252 tells nothing of who exists. */
export const cannotVerify = reply(252, "2.5.0", "Not verified here; send a message to find out");

// 4xx
export const shuttingDown = closing(reply(421, "4.3.2", "The service is going down, try again shortly"));
export const tooManyConnections = closing(reply(421, "4.7.0", "Too many connections, try again shortly"));
export const tooManyErrors = closing(reply(421, "4.7.0", "Too many refused commands, closing"));
export const tooManyCommands = closing(
  reply(421, "4.7.0", "Too many commands without a message, closing; connect again"),
);
/** RFC 9422 section 4.1: what LIMITS announced. */
export const tooManyTransactions = closing(
  reply(421, "4.7.0", "Enough messages for one connection; connect again for more"),
);
export const tooSlow = closing(
  reply(421, "4.4.2", "The message arrives too slowly, closing; try again later"),
);
export const idleTooLong = closing(reply(421, "4.4.2", "Nothing heard for too long, closing"));
export const sessionTooLong = closing(reply(421, "4.4.2", "The session lasted too long, closing"));
export const localError = reply(451, "4.3.0", "An error on our side, try again later");
export const directoryUnavailable = reply(451, "4.4.3", "The directory can't be asked now, try again later");
export const tooManyRecipients = reply(452, "4.5.3", "Too many recipients, send the rest in another message");
export const authUnavailable = reply(454, "4.7.0", "Logins can't be checked now, try again later");

// 5xx: protocol
export const bareLineFeed = reply(500, "5.5.2", "Lines must end with CR LF; this one ended with LF alone");
export const lineTooLong = reply(500, "5.5.2", "Line too long");
/** RFC 4954 section 4 */
export const authLineTooLong = reply(500, "5.5.6", "Authentication line too long");
export const badCharacters = reply(500, "5.5.2", "The line has control characters or is not UTF-8");
export const unknownCommand = reply(500, "5.5.1", "Unknown command; HELP and EHLO tell what is known");
export const notSmtp = closing(reply(500, "5.5.1", "This is a mail server, it speaks SMTP only"));
/** What follows can't be told from commands any more, so the connection ends. */
export const badChunk = closing(reply(501, "5.5.4", "Syntax: BDAT <octets> [LAST]"));
export const noArguments = reply(501, "5.5.4", "This command takes no arguments");
export const needsArgument = reply(501, "5.5.4", "This command needs an argument");
export const badHelo = reply(
  501,
  "5.5.4",
  "Give your host name or address literal, e.g. EHLO mail.example.org",
);
export const mailSyntax = reply(501, "5.5.4", "Syntax: MAIL FROM:<name@example.org>");
export const rcptSyntax = reply(501, "5.5.4", "Syntax: RCPT TO:<name@example.org>");
export const mailBrackets = reply(501, "5.1.7", "Angle brackets are missing: MAIL FROM:<name@example.org>");
export const rcptBrackets = reply(501, "5.1.3", "Angle brackets are missing: RCPT TO:<name@example.org>");
export const badSender = reply(501, "5.1.7", "The sender address is not well-formed");
export const badRecipient = reply(501, "5.1.3", "The recipient address is not well-formed");
export const badParameters = reply(501, "5.5.4", "The parameters after the address are not well-formed");
export const badParameter = (name: string): Reply =>
  reply(501, "5.5.4", `The value of ${name} is missing or wrong`);
export const notImplemented = reply(502, "5.5.1", "This command is not available here");
export const heloFirst = (verb: "EHLO" | "LHLO"): Reply => reply(503, "5.5.1", `Say ${verb} first`);
export const mailFirst = reply(503, "5.5.1", "Say MAIL first");
export const nestedMail = reply(503, "5.5.1", "A transaction is open already; RSET drops it");
/** RFC 3030 section 2: DATA, MAIL and RCPT have no place once a chunk was sent. */
export const chunksBegun = reply(503, "5.5.1", "BDAT has begun: go on with BDAT, or RSET");
export const noTransactionForChunk = reply(
  503,
  "5.5.1",
  "No transaction is open for this chunk; say RSET, then MAIL",
);
/** RFC 3030 section 3 */
export const binaryNeedsBdat = reply(503, "5.5.1", "A BINARYMIME message comes by BDAT, not by DATA");
export const alreadyTls = reply(503, "5.5.1", "TLS is active already");
export const alreadyAuthenticated = reply(503, "5.5.1", "You are authenticated already");
export const authInTransaction = reply(503, "5.5.1", "AUTH is not possible within a transaction");
export const unknownMechanism = reply(504, "5.5.4", "This mechanism is not offered; use PLAIN or LOGIN");
export const noSuchHelp = reply(504, "5.5.4", "No help for this; HELP alone lists the commands");
export const unknownParameter = (name: string): Reply =>
  reply(555, "5.5.4", `The parameter ${name.slice(0, 40)} is not known here`);
export const needsUtf8 = reply(553, "5.6.7", "This address needs the SMTPUTF8 parameter of MAIL");
/** RFC 3463 X.1.2: what is right of the "@" is invalid for mail. */
export const impossibleDomain = reply(
  553,
  "5.1.2",
  "There can be no domain of this name (IDNA); check what is written after the @",
);
export const noValidRecipients = reply(503, "5.5.1", "No valid recipients");

// 5xx: authentication
export const badBase64 = reply(501, "5.5.2", "This is not the base64 that the mechanism needs");
export const authCancelled = reply(501, "5.7.0", "Authentication cancelled");
export const startTlsFirst = reply(530, "5.7.0", "Say STARTTLS first, then log in");
export const authRequired = reply(530, "5.7.0", "Log in first (AUTH)");
export const authFailed = reply(535, "5.7.8", "User name or password is wrong");
export const encryptionRequired = reply(
  538,
  "5.7.11",
  "Say STARTTLS first: passwords are taken under TLS only",
);

// 5xx: policy and content
export const noSuchRecipient = reply(550, "5.1.1", "No such person here, check the address");
export const relayDenied = reply(550, "5.7.1", "We do not relay to other domains");
export const messageTooLarge = (bytes: number): Reply =>
  reply(552, "5.3.4", `The message is larger than the ${bytes} bytes that are allowed`);
export const bareLineEnd = reply(554, "5.6.0", "The message has a CR or LF alone; lines must end with CR LF");
export const nulByte = reply(554, "5.6.0", "The message has NUL bytes; encode it (base64)");
export const mailLoop = reply(554, "5.4.6", "Mail loop: the message has passed too many hosts");

// Our own words for peers that gave no reply
export const connectionLost = reply(451, "4.4.2", "The connection was lost before an answer came");
export const wrongPeer = reply(451, "4.4.1", "Another host answers in its place");
export const noAnswer = reply(451, "4.4.1", "The host does not answer");
export const manyWait = reply(451, "4.4.5", "Too many messages wait for the host already");
export const peerTimeout = reply(451, "4.4.2", "The host took too long to answer");
export const badPeerReply = reply(451, "4.5.0", "The host gave an answer that makes no sense");
export const tlsNotOffered = reply(451, "4.7.4", "The host does not offer STARTTLS, which is required");
export const tlsFailed = reply(451, "4.7.5", "The TLS hand-shake with the host failed");
export const certificateRefused = reply(
  451,
  "4.7.5",
  "The certificate of the host is not the one that is asked for",
);
export const authNotOffered = reply(451, "4.7.0", "The host does not offer AUTH PLAIN, which is required");
export const peerLacksUtf8 = reply(553, "5.6.7", "The host of the recipient can't take non-ASCII addresses");
export const peerLacksEightBit = reply(554, "5.6.3", "The host of the recipient can't take 8-bit messages");
export const peerLacksBinary = reply(554, "5.6.3", "The host of the recipient can't take binary messages");
export const peerSizeLimit = (bytes: number): Reply =>
  reply(552, "5.3.4", `The host of the recipient takes at most ${bytes} bytes`);
