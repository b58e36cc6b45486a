/**
 * The words of the SMTP engine. Nothing here does I/O: a session takes bytes and returns actions, which
 * `mailserver/net` performs. Names are those of RFC 5321.
 */

/** What one command (or connection, or message) is answered with. Make them with `reply()` or from `replies.ts`. */
export interface Reply {
  /** Three digits, RFC 5321 section 4.2. */
  readonly code: number;
  /** RFC 3463 status such as `5.1.1`; absent in greeting, EHLO, 354 and 334 (RFC 2034 section 4). */
  readonly enhanced?: string;
  /** Text lines without code; at least one. */
  readonly lines: readonly string[];
  /** The connection is closed after this reply. */
  readonly close?: boolean;
}

/** A mailbox of a path (RFC 5321 section 4.1.2). Source routes are dropped when it is read. */
export interface Address {
  /** The meaning of the local part: quotes and backslashes removed, case as written. */
  readonly local: string;
  /** Lower case, as A-labels (RFC 5890); an address literal keeps its brackets; empty only for the bare `<postmaster>`. */
  readonly domain: string;
  /**
   * How it is written on the wire, then `@domain` when there is one: the local part is quoted when it must be, and where it
   * has dots at odd places only if it came so.
   */
  readonly text: string;
}

/** `MAIL FROM:<…>`: null is the null reverse-path `<>`. */
export type ReversePath = Address | null;

/** What `MAIL` said after the path. Absent means: not given. */
export interface MailParameters {
  /** RFC 1870 */
  readonly size?: number;
  /** RFC 6152; RFC 3030 section 3 for BINARYMIME, which comes by BDAT only. */
  readonly body?: "7BIT" | "8BITMIME" | "BINARYMIME";
  /** RFC 6531 */
  readonly smtputf8?: true;
  /** RFC 4954 section 5, decoded; `<>` is kept as written. */
  readonly auth?: string;
  /** RFC 3461 section 4.3: how much of the message a failure's DSN returns. */
  readonly ret?: "FULL" | "HDRS";
  /** RFC 3461 section 4.4, decoded. */
  readonly envid?: string;
}

/** When a sender wants to hear of a recipient, RFC 3461 section 4.1. */
export type Notify = "SUCCESS" | "FAILURE" | "DELAY";

/** RFC 3461 section 4.2: the recipient as its sender named it, decoded. */
export interface OriginalRecipient {
  /** Lower case, e.g. `rfc822` or `utf-8` (RFC 6533). */
  readonly type: string;
  readonly address: string;
}

/** What `RCPT` said after the path. Absent means: not given. */
export interface RcptParameters {
  /** Empty for NEVER. */
  readonly notify?: readonly Notify[];
  readonly orcpt?: OriginalRecipient;
}

/** A recipient of a transaction. */
export interface Recipient {
  readonly address: Address;
  readonly parameters: RcptParameters;
}

/**
 * One mail transaction: begun by an accepted MAIL, dropped by RSET, HELO, STARTTLS or the end of its message.
 * The object is the same from MAIL to the end, so a handler may key its own state by it (WeakMap).
 */
export interface Transaction {
  /** 1 for the first of the session; `${session.id}.${number}` is unique. */
  readonly number: number;
  readonly from: ReversePath;
  readonly parameters: MailParameters;
  /** The accepted recipients so far. */
  readonly recipients: readonly Recipient[];
}

/** What is known of the TLS layer below a session. */
export interface TlsInfo {
  /** e.g. `TLSv1.3` */
  readonly version: string;
  /** e.g. `TLS_AES_256_GCM_SHA384` */
  readonly cipher: string;
  /** What is wrong with the peer's certificate, where that was only to be reported. */
  readonly doubt?: string;
}

/** What is known of a server session. A fresh one (only id, client and tls known) begins after STARTTLS. */
export interface SessionInfo {
  /** Unique in this process and in its logs. */
  readonly id: string;
  /** The true source address, IPv4-mapped forms undone. */
  readonly clientAddress: string;
  readonly tls?: TlsInfo;
  /** What the client called itself in HELO, EHLO or LHLO. */
  readonly helo?: string;
  /** The authenticated user as the policy named it. */
  readonly user?: string;
  /** The `with` word of the Received header (RFC 3848): `SMTP`, `ESMTP`, `ESMTPS`, `ESMTPSA`, `LMTP`, … */
  readonly protocol: string;
}

/** How a server session behaves. */
export interface ServerOptions {
  readonly protocol: "smtp" | "lmtp";
  /** Our name in greeting and EHLO. */
  readonly hostname: string;
  /** Offer STARTTLS (when not yet under TLS). */
  readonly startTls: boolean;
  /**
   * `never`: AUTH is not known. `tls`: offered and accepted under TLS only. `always`: in clear text too (an
   * internal network only).
   */
  readonly auth: "never" | "tls" | "always";
  /** MAIL is refused with 530 5.7.0 until AUTH succeeded (submission, relay). */
  readonly authRequired: boolean;
  /**
   * Offer DSN (RFC 3461). Only for one who then sends the notifications that were asked for: a client of a server
   * without DSN tells its sender itself.
   */
  readonly dsn?: boolean;
  /** Offer SMTPUTF8 (RFC 6531); default true. Not for one whose couriers reach only peers without it. */
  readonly smtpUtf8?: boolean;
  /** Offer BINARYMIME (RFC 3030). Only for one whose couriers all reach peers that offer it too. */
  readonly binaryMime?: boolean;
  readonly limits: {
    readonly messageBytes: number;
    readonly recipients: number;
    /** Refused commands since the last accepted message until 421. */
    readonly errors: number;
    /** Commands since the last accepted message until 421, accepted recipients not counted; 1000 unless told. */
    readonly commands?: number;
    /** Transactions of a connection (MAILMAX, RFC 9422 section 4.1); no limit unless told. */
    readonly transactions?: number;
  };
}

/** What the session must be told by a policy before it goes on. Answer with `session.answer(decision)`. */
export type Question =
  | { readonly kind: "connect" }
  | { readonly kind: "helo"; readonly name: string; readonly extended: boolean }
  | ({ readonly kind: "auth" } & Credentials)
  | { readonly kind: "mail"; readonly transaction: Transaction }
  | { readonly kind: "rcpt"; readonly transaction: Transaction; readonly recipient: Recipient }
  /** Before 354 or the first chunk of BDAT; every recipient is known. `reply` of an accept to BDAT is not used. */
  | { readonly kind: "data"; readonly transaction: Transaction }
  /** The whole message has been given out as `chunk` actions. */
  | { readonly kind: "message"; readonly transaction: Transaction; readonly size: number };

/** What a client gave in AUTH PLAIN or LOGIN. `password` must never be logged. */
export interface Credentials {
  readonly mechanism: "PLAIN" | "LOGIN";
  /** The identity to act as (RFC 4616 authzid); empty when not given. */
  readonly authorization: string;
  readonly user: string;
  readonly password: string;
}

/** The policy's word on a question. */
export type Decision =
  /** Go on. `reply` replaces the usual one (a 2xx, or 354 to `data`). */
  | { readonly kind: "accept"; readonly reply?: Reply }
  /** Only to `auth`: who it is now (goes to `SessionInfo.user`). */
  | { readonly kind: "authenticated"; readonly user: string }
  /** A 4xx or 5xx reply; `close` in it ends the session. */
  | { readonly kind: "refuse"; readonly reply: Reply }
  /** Only to `message` in LMTP: one reply per recipient, in their order (RFC 2033 section 4.2). */
  | { readonly kind: "perRecipient"; readonly replies: readonly Reply[] };

/** What the caller of a server session must do, in order. */
export type ServerAction =
  /** Write `formatReply(reply)`. */
  | { readonly kind: "reply"; readonly reply: Reply }
  /** Ask the policy, then call `answer`. The session consumes nothing until then. Always the last action. */
  | { readonly kind: "ask"; readonly question: Question }
  /** Message bytes as they are (dots undone). The view is valid during the call only: copy what is kept. */
  | { readonly kind: "chunk"; readonly transaction: Transaction; readonly bytes: Uint8Array }
  /** The transaction ended without a message (RSET, HELO, refused message, …): free what is kept for it. */
  | { readonly kind: "dropped"; readonly transaction: Transaction }
  /** Hand-shake now, then go on with `session.secured(tls)`, a fresh session. Bytes read before are dropped. */
  | { readonly kind: "startTls" }
  /** Close after what was written has gone out. */
  | { readonly kind: "close" };

/** The envelope of one message on its way out. */
export interface Envelope {
  readonly from: ReversePath;
  /** At least one. */
  readonly recipients: readonly Address[];
  /** RET and ENVID, sent to a peer that offers DSN. */
  readonly dsn?: Pick<MailParameters, "ret" | "envid">;
  /** NOTIFY and ORCPT of each recipient, in their order, sent to a peer that offers DSN. */
  readonly recipientDsn?: readonly (RcptParameters | undefined)[];
  /** Bytes of the message, for SIZE. */
  readonly size: number;
  /** The body has bytes ≥ 0x80. */
  readonly eightBit: boolean;
  /** The header needs a peer with SMTPUTF8 (RFC 6531). What an address needs is seen by itself. */
  readonly smtputf8: boolean;
  /** The message is no text in lines (BODY=BINARYMIME): needs a peer with BINARYMIME, and BDAT. */
  readonly binary?: boolean;
}

/** What became of one recipient. The reply is the peer's, or one of our own when it gave none. */
export type Outcome = {
  readonly kind: "delivered" | "temporary" | "permanent";
  readonly reply: Reply;
  /** Of a delivery: the peer offers DSN (RFC 3461), so what is to be told of it from now on is the peer's to tell. */
  readonly dsn?: true;
};

/** How a client session behaves. */
export interface ClientOptions {
  readonly protocol: "smtp" | "lmtp";
  /** Our name in EHLO. */
  readonly hostname: string;
  /**
   * `never`: do not use STARTTLS. `opportunistic`: use it when offered. `required`: without it nothing is sent
   * (temporary, 4.7.4).
   */
  readonly tls: "never" | "opportunistic" | "required";
  /** AUTH PLAIN before mail. */
  readonly auth?: { readonly user: string; readonly password: string };
  /** The name by which the peer must answer our greeting, or it is somebody else and gets no mail (4.4.1). */
  readonly peerName?: string;
}

/** What the caller of a client session must do, in order. */
export type ClientAction =
  | { readonly kind: "write"; readonly bytes: Uint8Array }
  /** Hand-shake, then call `secured(tls)`; on failure `failed(reply)`. */
  | { readonly kind: "startTls" }
  /** Greeting, EHLO, TLS and AUTH are done, or a message is: `begin(envelope)` may be called. */
  | { readonly kind: "ready" }
  /**
   * Write the message and call `bodySent()`. `stuffed`: through `DotStuffer`, after DATA. `octets`: exactly the
   * announced number of bytes, as they are, after BDAT LAST.
   */
  | { readonly kind: "body"; readonly framing: "stuffed" | "octets" }
  /** The outcomes of the message, one per recipient in their order. */
  | { readonly kind: "outcomes"; readonly outcomes: readonly Outcome[] }
  /** The session can carry no message (greeting, EHLO, TLS or AUTH failed). A `close` follows. */
  | { readonly kind: "unusable"; readonly stage: ClientStage; readonly reply: Reply }
  | { readonly kind: "close" };

/** Where a client session stands. */
export type ClientStage = "connect" | "greeting" | "helo" | "tls" | "auth" | "transaction";
