/** One connection of a server: performs what its session says, asks the handler, keeps the deadlines. */
import type { Socket } from "node:net";
import { SmtpError } from "../smtp/error.ts";
import * as replies from "../smtp/replies.ts";
import { formatReply } from "../smtp/reply-format.ts";
import { ServerSession } from "../smtp/server-session.ts";
import type { Decision, Question, Reply, ServerAction, SessionInfo } from "../smtp/types.ts";
import { consult, describeReply } from "./consult.ts";
import { Deadlines } from "./deadline.ts";
import { GreetingPause, talkedEarly } from "./greeting.ts";
import { ReplyWriter } from "./reply-writer.ts";
import { systemTiming } from "./timing.ts";
import { serverHandshake, tlsInfo } from "./tls.ts";
import type { TurnEnd } from "./turn-end.ts";
import type { ServeOptions, SessionHandler } from "./types.ts";

/** How long a client may take to read our last reply before the connection is cut. */
const LINGER_MS = 1_000;
/** A hand-shake that takes longer than this will not succeed. */
const HANDSHAKE_MS = 60_000;

/** Whose connection it is. */
type ClientInfo = Pick<SessionInfo, "id" | "clientAddress">;

export class ServerConnection {
  readonly #options: ServeOptions;
  readonly #pause = new GreetingPause();
  readonly #done = Promise.withResolvers<void>();
  #socket: Socket;
  #session: ServerSession;
  #handler: SessionHandler;
  readonly #replies: ReplyWriter;
  #gone = false;
  readonly #deadlines: Deadlines;
  /** Everything that touches the session runs in this order, one after the other. */
  #work: Promise<void> = Promise.resolve();
  /** Tasks that are not done yet. */
  #tasks = 0;

  constructor(socket: Socket, info: ClientInfo, options: ServeOptions, turnEnd: TurnEnd) {
    this.#socket = socket;
    this.#options = options;
    this.#replies = new ReplyWriter(socket, turnEnd, options.limits.idleMs);
    this.#deadlines = new Deadlines(options);
    this.#session = new ServerSession(options.session, info);
    this.#handler = options.handler(this.#session.info);
  }

  /** Settles when the connection is closed. */
  run(): Promise<void> {
    const { log, tls, greetDelayMs } = this.#options;
    log.info("smtp.session.open", this.#facts());
    // Who is waited for to read hears nothing more.
    const tooLong = (): void =>
      this.#replies.waits ? this.destroy() : this.#enqueue(() => this.#session.abort(replies.sessionTooLong));
    this.#deadlines.begin(tooLong);
    this.#enqueue(async () => {
      if (tls?.implicit === true && !(await this.#secure())) return [];
      if (tls?.implicit !== true) {
        this.#listen();
        const delay = greetDelayMs?.(this.#session.info.clientAddress) ?? 0;
        if (await this.#pause.wait(this.#socket, delay)) return this.#session.abort(talkedEarly);
      }
      return this.#session.start();
    });
    return this.#done.promise;
  }

  /** Lets a transaction finish, then 421. */
  shutdown(): void {
    this.#enqueue(() => this.#session.shutdown());
  }

  /** The end, whatever is going on. */
  destroy(): void {
    this.#socket.destroy();
    this.#closed();
  }

  #facts(): Record<string, unknown> {
    return { session: this.#session.info.id, client: this.#session.info.clientAddress };
  }

  #listen(): void {
    const socket = this.#socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => {
      this.#pause.interrupt(true);
      // Back-pressure: no more than this is read while something is worked on.
      if (this.#tasks > 0) socket.pause();
      this.#heard(socket, () => this.#deadlines.hear(this.#session, chunk));
    });
    socket.on("end", () => this.#heard(socket, () => this.#left()));
    socket.on("error", (error) => this.#options.log.debug("net.socket.error", { ...this.#facts(), error }));
    socket.on("close", () => {
      if (socket === this.#socket) this.#closed();
    });
  }

  /**
   * What came over a socket is of no session but its own. In its turn it may be too late for that: STARTTLS came before it
   * (RFC 3207 section 4.2), and under TLS may be somebody else, or the connection was cut and a part before it was lost.
   */
  #heard(socket: Socket, task: () => ServerAction[] | Promise<ServerAction[]>): void {
    this.#enqueue(() => (socket === this.#socket && !this.#gone ? task() : []));
  }

  /** The client closed its side: it has said everything. */
  async #left(): Promise<ServerAction[]> {
    const actions = this.#session.disconnected();
    await this.#replies.flush();
    this.#hangUp();
    return actions;
  }

  #closed(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#pause.interrupt(false);
    this.#deadlines.end();
    this.#enqueue(() => this.#session.disconnected());
    this.#options.log.info("smtp.session.close", this.#facts());
    this.#done.resolve();
  }

  #enqueue(task: () => ServerAction[] | Promise<ServerAction[]>): void {
    this.#tasks += 1;
    this.#work = this.#work
      .then(async () => {
        this.#deadlines.stop();
        await this.#perform(await task());
        this.#writeSoon();
      })
      .catch((error: unknown) => {
        this.#options.log.error("smtp.policy.error", { ...this.#facts(), error });
        this.destroy();
      })
      .then(() => {
        this.#tasks -= 1;
        this.#wait();
      });
  }

  /** Waits for the client again, when nothing is left to do. */
  #wait(): void {
    if (this.#gone || this.#tasks > 0) return;
    const reply = this.#session.inMessage ? replies.tooSlow : replies.idleTooLong;
    this.#deadlines.wait(() => this.#enqueue(() => this.#session.abort(reply)));
    if (this.#socket.isPaused()) this.#socket.resume();
  }

  async #perform(actions: readonly ServerAction[]): Promise<void> {
    for (let next: readonly ServerAction[] = actions; next.length > 0; ) {
      const batch = next;
      next = [];
      for (const action of batch) next = (await this.#act(action)) ?? next;
    }
  }

  /** Performs one action; an answered question gives further ones. */
  async #act(action: ServerAction): Promise<ServerAction[] | undefined> {
    switch (action.kind) {
      case "reply":
        this.#say(action.reply);
        // Who reads nothing has us keep little.
        if (this.#replies.full) await this.#replies.flush();
        return undefined;
      case "ask":
        return this.#answer(action.question);
      case "chunk":
        await this.#handler.chunk(action.transaction, action.bytes);
        return undefined;
      case "dropped":
        this.#handler.dropped?.(action.transaction);
        return undefined;
      case "startTls":
        await this.#startTls();
        return undefined;
      case "close":
        await this.#replies.flush();
        this.#hangUp();
        return undefined;
    }
  }

  async #answer(question: Question): Promise<ServerAction[]> {
    const answer = this.#consult(question);
    // Replies of earlier commands don't wait for a slow policy.
    const timing = this.#options.timing ?? systemTiming;
    const asked = timing.now();
    if (answer instanceof Promise) this.#writeSoon();
    const decision = await answer;
    this.#note(question, decision, Math.round(timing.now() - asked));
    const left = this.#gone ? this.#session.disconnected() : [];
    return [...left, ...this.#session.answer(decision)];
  }

  #consult(question: Question): Decision | Promise<Decision> {
    try {
      const answer = consult(this.#handler, question);
      return answer instanceof Promise ? answer.catch((error: unknown) => this.#fault(error)) : answer;
    } catch (error) {
      return this.#fault(error);
    }
  }

  /** The one place where an error of a policy becomes a reply. */
  #fault(error: unknown): Decision {
    if (error instanceof SmtpError) {
      if (error.cause !== undefined) {
        this.#options.log.warn("smtp.policy.error", { ...this.#facts(), error: error.cause });
      }
      return { kind: "refuse", reply: error.reply };
    }
    this.#options.log.error("smtp.policy.error", { ...this.#facts(), error });
    return { kind: "refuse", reply: replies.localError };
  }

  /** What mail and logins came to, for the log. A refused user name may be a mistyped password: it is left out. */
  #note(question: Question, decision: Decision, ms: number): void {
    const { log } = this.#options;
    if (question.kind === "auth") {
      if (decision.kind === "authenticated")
        log.info("smtp.auth.ok", { ...this.#facts(), user: decision.user });
      else log.warn("smtp.auth.failed", this.#facts());
    }
    if (question.kind !== "message") return;
    const { number, from, recipients } = question.transaction;
    const facts = {
      ...this.#facts(),
      transaction: number,
      from: from?.text ?? "",
      recipients: recipients.map(({ address }) => address.text),
      bytes: question.size,
      ms,
    };
    if (decision.kind === "refuse")
      log.info("smtp.message.refused", { ...facts, ...describeReply(decision.reply) });
    else log.info("smtp.message.accepted", facts);
  }

  #say(reply: Reply): void {
    if (reply.code >= 400) {
      this.#options.log.info("smtp.command.refused", { ...this.#facts(), ...describeReply(reply) });
      this.#options.gate?.refused(this.#session.info.clientAddress, reply);
    }
    this.#replies.say(formatReply(reply));
  }

  #writeSoon(): void {
    this.#replies.soon(() =>
      this.#enqueue(async () => {
        await this.#replies.drained();
        return [];
      }),
    );
  }

  #hangUp(): void {
    const socket = this.#socket;
    if (socket.destroyed) return;
    socket.end();
    // What the client still sends is read away: closing on unread bytes would reset the connection and with it
    // take our last reply from the client.
    socket.removeAllListeners("data").removeAllListeners("end").resume();
    const timer = setTimeout(() => socket.destroy(), LINGER_MS);
    socket.once("end", () => socket.destroy()).once("close", () => clearTimeout(timer));
  }

  async #startTls(): Promise<void> {
    // RFC 3207 section 4.2: bytes that came ahead of the hand-shake are dropped with the old session.
    this.#socket.removeAllListeners("data").removeAllListeners("end").pause();
    while (this.#socket.read() !== null);
    await this.#replies.flush();
    await this.#secure();
  }

  /** Hand-shake; afterwards a fresh session and a fresh handler. False when it failed. */
  async #secure(): Promise<boolean> {
    const { tls } = this.#options;
    if (!tls) throw new Error("TLS without an identity");
    const raw = this.#socket;
    try {
      const timeout = Math.min(HANDSHAKE_MS, this.#options.limits.idleMs);
      const secured = await serverHandshake(raw, tls.context(), timeout);
      this.#socket = secured;
      this.#replies.socket = secured;
      this.#session = this.#session.secured(tlsInfo(secured));
      this.#handler = this.#options.handler(this.#session.info);
      this.#listen();
      this.#options.log.debug("smtp.session.tls", { ...this.#facts(), ...this.#session.info.tls });
      return true;
    } catch (error) {
      this.#options.log.info("net.tls.failed", { ...this.#facts(), error });
      raw.destroy();
      this.#closed();
      return false;
    }
  }
}
