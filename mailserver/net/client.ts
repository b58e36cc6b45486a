/** The client's side of a connection: performs what a client session says. */
import { ClientSession } from "../smtp/client-session.ts";
import { DotStuffer, isCanonical } from "../smtp/dot-stuff.ts";
import * as replies from "../smtp/replies.ts";
import type { ClientAction, ClientStage, Envelope, Outcome, Reply, TlsInfo } from "../smtp/types.ts";
import { CertificateRefused } from "./certificate.ts";
import { ClientSocket } from "./client-socket.ts";
import { PIECE, pieces } from "./pieces.ts";
import {
  type Body,
  type ClientConnection,
  type ClientTimeouts,
  ConnectFailed,
  type ConnectOptions,
  type DeliveryReport,
  type MessageSignals,
} from "./types.ts";

/** RFC 5321 section 4.5.3.2 */
const TIMEOUTS: ClientTimeouts = { connectMs: 30_000, replyMs: 300_000, messageMs: 600_000 };
/** How long QUIT may take. */
const QUIT_MS = 1_000;

interface Sending {
  readonly body: Body;
  readonly answerSignal: AbortSignal | undefined;
  readonly outcomes: PromiseWithResolvers<readonly Outcome[]>;
}

class Client implements ClientConnection {
  readonly #options: ConnectOptions;
  readonly #timeouts: ClientTimeouts;
  readonly #session: ClientSession;
  readonly #socket: ClientSocket;
  readonly #ready = Promise.withResolvers<void>();
  readonly #closed = Promise.withResolvers<void>();
  #message: Sending | undefined;
  #tls: TlsInfo | undefined;
  #cause: unknown;
  #timer: NodeJS.Timeout | undefined;
  #signal: AbortSignal | undefined;
  #bodyBegan = false;
  /** Milliseconds that the peer was given last. */
  #allowed = 0;

  constructor(options: ConnectOptions, socket: ClientSocket) {
    this.#options = options;
    this.#timeouts = { ...TIMEOUTS, ...options.timeouts };
    this.#session = new ClientSession(options.session);
    this.#socket = socket;
    socket.attach({
      data: (chunk) => this.#hear(chunk),
      closed: (error) => {
        this.#cause ??= error;
        this.#perform(this.#session.failed(replies.connectionLost));
        this.#end();
      },
    });
  }

  get tls(): TlsInfo | undefined {
    return this.#tls;
  }

  /** Greeting to AUTH. */
  start(): Promise<void> {
    this.#expect(this.#timeouts.replyMs);
    this.#watch(this.#options.signal);
    return this.#ready.promise;
  }

  usable = (): boolean => this.#session.state.ready;

  bodyBegan = (): boolean => this.#bodyBegan;

  onClosed(listener: () => void): void {
    void this.#closed.promise.then(listener);
  }

  async send(
    envelope: Envelope,
    body: Body,
    { signal = this.#signal, answerSignal = signal }: MessageSignals = {},
  ): Promise<readonly Outcome[]> {
    this.#bodyBegan = false;
    if (!this.usable() || signal?.aborted === true) {
      return envelope.recipients.map(() => ({ kind: "temporary", reply: replies.connectionLost }));
    }
    const outcomes = Promise.withResolvers<readonly Outcome[]>();
    this.#message = { body, answerSignal, outcomes };
    this.#expect(this.#timeouts.replyMs);
    // Before anything is said: the whole message may go along at once.
    this.#watch(signal);
    const asItIs = body instanceof Uint8Array && (envelope.binary === true || isCanonical(body));
    this.#perform(this.#session.begin(envelope, asItIs ? body.length : undefined));
    try {
      return await outcomes.promise;
    } finally {
      this.#watch(undefined);
    }
  }

  async close(): Promise<void> {
    this.#perform(this.#session.quit());
    const timer = setTimeout(() => this.#end(), QUIT_MS);
    await this.#closed.promise;
    clearTimeout(timer);
  }

  #watch(signal: AbortSignal | undefined): void {
    this.#signal?.removeEventListener("abort", this.#aborted);
    this.#signal = signal;
    signal?.addEventListener("abort", this.#aborted, { once: true });
    if (signal?.aborted === true) this.#aborted();
  }

  readonly #aborted = (): void => {
    this.#perform(this.#session.failed(replies.connectionLost));
    this.#end();
  };

  #hear(chunk: Uint8Array): void {
    const before = this.#session.heard;
    this.#perform(this.#session.receive(chunk));
    const { ready, over } = this.#session.state;
    // RFC 5321 section 4.5.3.2: each command has its time, those that were sent together one after the other. A reply that
    // is not whole gains none.
    if (this.#session.heard > before && !ready && !over) this.#expect(this.#allowed);
  }

  /** The peer must answer within this time. */
  #expect(milliseconds: number): void {
    this.#allowed = milliseconds;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#perform(this.#session.failed(replies.peerTimeout)), milliseconds);
  }

  #perform(actions: readonly ClientAction[]): void {
    if (actions.length > 1) this.#socket.together(() => this.#performAll(actions));
    else this.#performAll(actions);
  }

  #performAll(actions: readonly ClientAction[]): void {
    let lines: Uint8Array[] = [];
    for (const action of actions) {
      if (action.kind === "write") {
        lines.push(action.bytes);
        continue;
      }
      this.#say(lines);
      lines = [];
      this.#act(action);
    }
    this.#say(lines);
  }

  /** Pipelined commands in one packet. */
  #say(lines: readonly Uint8Array[]): void {
    if (lines.length === 0) return;
    this.#expect(this.#timeouts.replyMs);
    void this.#socket.write(Buffer.concat(lines));
  }

  #act(action: Exclude<ClientAction, { kind: "write" }>): void {
    switch (action.kind) {
      case "startTls":
        void this.#startTls();
        break;
      case "ready":
        clearTimeout(this.#timer);
        this.#ready.resolve();
        break;
      case "body":
        this.#bodyBegan = true;
        this.#writeBody(action.framing);
        break;
      case "outcomes":
        this.#message?.outcomes.resolve(action.outcomes);
        this.#message = undefined;
        break;
      case "unusable":
        this.#ready.reject(failure(action.stage, action.reply, this.#cause));
        break;
      case "close":
        this.#end();
        break;
    }
  }

  #writeBody(framing: "stuffed" | "octets"): void {
    const message = this.#message;
    if (!message) return;
    const { body } = message;
    const stuffer = framing === "stuffed" ? new DotStuffer() : undefined;
    if (!(body instanceof Uint8Array) || body.length > PIECE) return void this.#writePieces(message, stuffer);
    // At once, its end too, and so together with the command before it.
    this.#socket.together(() => {
      void this.#socket.write(stuffer?.push(body) ?? body);
      this.#bodyWritten(stuffer?.end());
    });
  }

  #bodyWritten(end?: Uint8Array): void {
    this.#expect(this.#timeouts.messageMs);
    // RFC 1047: a session that is cut from now on may leave the message with the peer and with us.
    this.#watch(this.#message?.answerSignal);
    const actions = this.#session.bodySent();
    if (end) void this.#socket.write(end);
    this.#perform(actions);
  }

  async #writePieces(message: Sending, stuffer: DotStuffer | undefined): Promise<void> {
    try {
      for await (const chunk of pieces(message.body)) {
        if (this.#message !== message) return;
        this.#expect(this.#timeouts.replyMs);
        await this.#socket.write(stuffer?.push(chunk) ?? chunk);
      }
    } catch (error) {
      // Our own source failed. Half a message must never be ended with a dot: the connection is cut.
      message.outcomes.reject(error);
      this.#aborted();
      return;
    }
    if (this.#message === message) this.#bodyWritten(stuffer?.end());
  }

  async #startTls(): Promise<void> {
    const { host, verify, serverName } = this.#options;
    try {
      this.#tls = await this.#socket.secure({ host, verify, serverName });
    } catch (error) {
      this.#cause = error;
      const refused = error instanceof CertificateRefused;
      this.#perform(this.#session.failed(refused ? replies.certificateRefused : replies.tlsFailed));
      this.#end();
      return;
    }
    this.#perform(this.#session.secured());
  }

  #end(): void {
    clearTimeout(this.#timer);
    this.#watch(undefined);
    this.#socket.destroy();
    this.#closed.resolve();
  }
}

function failure(stage: ClientStage, reply: Reply, cause: unknown): ConnectFailed {
  return new ConnectFailed(stage, reply, cause);
}

/** Connects, greets, secures and authenticates. Rejects with ConnectFailed. */
export async function connect(options: ConnectOptions): Promise<ClientConnection> {
  const connectMs = options.timeouts?.connectMs ?? TIMEOUTS.connectMs;
  let socket: ClientSocket;
  try {
    socket = await ClientSocket.open(options, connectMs);
  } catch (error) {
    throw new ConnectFailed("connect", replies.noAnswer, error);
  }
  const client = new Client(options, socket);
  await client.start();
  return client;
}

/** Connects, sends one message and closes. Rejects only for our own faults (a body stream that fails). */
export async function deliver(
  options: ConnectOptions,
  envelope: Envelope,
  body: Body,
): Promise<DeliveryReport> {
  let connection: ClientConnection;
  try {
    connection = await connect(options);
  } catch (error) {
    if (error instanceof ConnectFailed) return { kind: "failed", failure: error };
    throw error;
  }
  try {
    const outcomes = await connection.send(envelope, body, options);
    return { kind: "done", outcomes, tls: connection.tls, bodyBegan: connection.bodyBegan() };
  } finally {
    // The outcome does not wait for the peer's goodbye.
    void connection.close();
  }
}
