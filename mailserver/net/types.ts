/** What `serve`, `connect` and `deliver` take and give. */
import type { SecureContext } from "node:tls";
import type { TlsaRecord } from "../policy/tls.ts";
import type {
  ClientOptions,
  ClientStage,
  Credentials,
  Decision,
  Envelope,
  Outcome,
  Recipient,
  Reply,
  ServerOptions,
  SessionInfo,
  TlsInfo,
  Transaction,
} from "../smtp/types.ts";
import type { Log } from "./log.ts";
import type { Timing } from "./timing.ts";

type Answer = Decision | Promise<Decision>;

/**
 * The policy of one session, made anew for every connection and again after STARTTLS. What is left out is
 * accepted. A thrown SmtpError is answered with its reply; anything else with 451 4.3.0, and logged.
 */
export interface SessionHandler {
  connect?(): Answer;
  helo?(name: string, extended: boolean): Answer;
  auth?(credentials: Credentials): Answer;
  mail?(transaction: Transaction): Answer;
  rcpt(transaction: Transaction, recipient: Recipient): Answer;
  data?(transaction: Transaction): Answer;
  /** Message bytes, dots undone. Copy what is kept. A returned promise holds the client back until it settles. */
  chunk(transaction: Transaction, bytes: Uint8Array): void | Promise<void>;
  /** The message is whole. Accept means responsibility: the client is answered 250 at once. */
  message(transaction: Transaction, size: number): Answer;
  /** The transaction ended without a message, or the client has gone: free what is kept for it. */
  dropped?(transaction: Transaction): void;
}

/** PEM texts. */
export interface TlsIdentity {
  readonly certificate: string;
  readonly key: string;
}

/** Who may connect. */
export interface Gate {
  /** Undefined, or the reply with which the client is turned away. Each that is let in leaves once. */
  enter(address: string): Reply | undefined | Promise<Reply | undefined>;
  leave(address: string): void;
  /** The client was answered 4xx or 5xx. */
  refused(address: string, reply: Reply): void;
}

export interface ServeOptions {
  /**
   * `host` defaults to all addresses; port 0 takes any. `shared`: other processes listen on the same port, each with a
   * socket of its own among which the system spreads connections (SO_REUSEPORT).
   */
  readonly listen: { readonly host?: string; readonly port: number; readonly shared?: boolean };
  /**
   * `context` is asked at each hand-shake. `implicit`: TLS from the first byte (RFC 8314). STARTTLS needs
   * `session.startTls` too.
   */
  readonly tls?: { readonly context: () => SecureContext; readonly implicit?: boolean };
  readonly session: ServerOptions;
  readonly limits: {
    /** How long a client may be silent, or take for one command. */
    readonly idleMs: number;
    readonly sessionMs: number;
    /** A message that arrives more slowly than this for longer than `idleMs` is given up; 0 unless told: any rate. */
    readonly bytesPerSecond?: number;
    /** One connection more is answered 421, unless a gate decides. */
    readonly connections: number;
    /** The same for one client (`clientNetwork`); without it one may take all. */
    readonly connectionsPerClient?: number;
  };
  /** `session` is a live view: helo, user and protocol change as the client speaks. */
  readonly handler: (session: SessionInfo) => SessionHandler;
  readonly log: Log;
  /** Who is let in; by `limits` unless told. */
  readonly gate?: Gate;
  /** Milliseconds before the greeting to this client; who speaks in that time is turned away. */
  readonly greetDelayMs?: (address: string) => number;
  /** Whether this peer is a load balancer, which must tell the client's address by the PROXY protocol. */
  readonly isProxy?: (address: string) => boolean;
  /** The system's unless told. */
  readonly timing?: Timing;
  /** Closes the server as `close()` does. */
  readonly signal?: AbortSignal;
  /** How long `close()` lets transactions finish; 2000 ms unless told. */
  readonly graceMs?: number;
}

export interface MailListener {
  /** The port that it got. */
  readonly port: number;
  /** Open connections. */
  readonly connections: () => number;
  /** Stops accepting, lets transactions finish within the grace, answers 421 to the rest. Settles when all is closed. */
  close(): Promise<void>;
}

/** What ends the sending of a message. */
export interface MessageSignals {
  readonly signal?: AbortSignal;
  /** In place of `signal` once the end of the message is on its way: by then the peer may have taken it. */
  readonly answerSignal?: AbortSignal;
}

export interface ConnectOptions extends MessageSignals {
  readonly host: string;
  readonly port: number;
  /** Source address of the connection. */
  readonly localAddress?: string;
  readonly session: ClientOptions;
  /** How the peer's certificate is checked when TLS is used. Absent: not checked (opportunistic, RFC 7435). */
  readonly verify?: Verification;
  /** SNI without verification; defaults to `host` when that is a name. */
  readonly serverName?: string;
  /** TLS from the first byte, with this certificate of ours; the peer's is not looked at. */
  readonly door?: SecureContext;
  readonly timeouts?: Partial<ClientTimeouts>;
}

/**
 * What a certificate must be; `name` is sent as SNI. `pkix`: for that name, by an authority that everybody trusts, or
 * that is in `ca` (PEM). `dane`: one that a TLSA record fits, by usage 2 for one of `names` too (RFC 7672 section 3).
 */
export type Verification =
  | {
      readonly kind: "pkix";
      readonly name: string;
      readonly ca?: string;
      /** What is wrong is told in `TlsInfo.doubt`, and the session goes on. */
      readonly report?: boolean;
    }
  | {
      readonly kind: "dane";
      readonly name: string;
      readonly names: readonly string[];
      readonly records: readonly TlsaRecord[];
    };

/** Milliseconds; defaults from RFC 5321 section 4.5.3.2. */
export interface ClientTimeouts {
  /** TCP connection: 30 s. */
  readonly connectMs: number;
  /** Greeting and each reply: 300 s. */
  readonly replyMs: number;
  /** Reply to the final dot: 600 s. */
  readonly messageMs: number;
}

/** The message: whole, or streamed once. */
export type Body = Uint8Array | AsyncIterable<Uint8Array>;

/** An open client session, ready for a message. */
export interface ClientConnection {
  readonly tls: TlsInfo | undefined;
  /**
   * Sends one message. Never rejects for the peer's sake: a lost connection is a temporary outcome of those
   * recipients that have no final reply yet. `signals` are for this message, in place of those of the connection.
   */
  send(envelope: Envelope, body: Body, signals?: MessageSignals): Promise<readonly Outcome[]>;
  /** False after 421 or a lost connection: take a new one. */
  readonly usable: () => boolean;
  /** Something of the last message's body was sent, or may have been: the peer may have taken it. */
  readonly bodyBegan: () => boolean;
  /** Calls `listener` once, when the connection is over. */
  onClosed(listener: () => void): void;
  /** QUIT, then close; does not wait for the peer longer than a second. */
  close(): Promise<void>;
}

/** Why no message could be sent at all: another MX host may be tried. */
export class ConnectFailed extends Error {
  override readonly name = "ConnectFailed";
  readonly stage: ClientStage;
  /** The peer's reply (greeting 554, 421, AUTH 535 …) or one of our own (4.4.1, 4.7.5 …). */
  readonly reply: Reply;
  constructor(stage: ClientStage, reply: Reply, cause?: unknown) {
    super(`${stage}: ${reply.code} ${reply.lines.join(" ")}`, { cause });
    this.stage = stage;
    this.reply = reply;
  }
}

/** What `deliver` found: outcomes, or why the peer could take nothing. */
export type DeliveryReport =
  | {
      readonly kind: "done";
      readonly outcomes: readonly Outcome[];
      readonly tls: TlsInfo | undefined;
      /** Something of the body was sent, or may have been: a peer that gave no answer may have taken it. */
      readonly bodyBegan: boolean;
    }
  | { readonly kind: "failed"; readonly failure: ConnectFailed };
