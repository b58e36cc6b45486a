/**
 * The server side of SMTP (RFC 5321) and LMTP (RFC 2033) without I/O: bytes in, actions out. While a question is
 * open nothing is consumed, so pipelined commands (RFC 2920) wait their turn.
 */
import type { AuthStep } from "./auth.ts";
import { DataReader } from "./data-reader.ts";
import { COMMAND_MAX, decodeLine, LINE_MAX, type LineEvent, LineReader } from "./line-reader.ts";
import * as replies from "./replies.ts";
import type { Mode, Mutable, Pending } from "./server-state.ts";
import { faultReply, lmtpReplies, protocolName } from "./server-words.ts";
import { OpenTransaction } from "./transaction.ts";
import type {
  Decision,
  Question,
  Reply,
  ServerAction,
  ServerOptions,
  SessionInfo,
  TlsInfo,
} from "./types.ts";
import { type Control, VERBS, type View } from "./verbs.ts";

export class ServerSession {
  readonly #options: ServerOptions;
  readonly #info: Mutable<SessionInfo>;
  readonly #lines = new LineReader();
  readonly #input: Uint8Array[] = [];
  #offset = 0;
  #mode: Mode;
  #pending: Pending | undefined;
  #extended = false;
  #transaction: OpenTransaction | undefined;
  #transactions = 0;
  #errors = 0;
  #stopping = false;
  #actions: ServerAction[] = [];

  /** A session at its greeting; under TLS from the first byte when `tls` is given (RFC 8314). */
  constructor(
    options: ServerOptions,
    client: { readonly id: string; readonly clientAddress: string; readonly tls?: TlsInfo },
  ) {
    this.#options = options;
    this.#info = { ...client, protocol: "SMTP" };
    this.#mode = { kind: "greeting" };
    this.#nameProtocol();
  }

  /** A live view. */
  get info(): SessionInfo {
    return this.#info;
  }

  /** The first actions of a new connection: the policy is asked about it, then the greeting. */
  start(): ServerAction[] {
    const { hostname, protocol } = this.#options;
    this.#ask({ kind: "connect" }, () => {
      this.#mode = { kind: "command" };
      return replies.greeting(hostname, protocol === "lmtp" ? "LMTP" : "ESMTP");
    });
    return this.#take();
  }

  /** Takes bytes of the client. */
  receive(bytes: Uint8Array): ServerAction[] {
    if (this.#mode.kind !== "over" && bytes.length > 0) this.#input.push(bytes);
    this.#run();
    return this.#take();
  }

  /** Answers the open question. */
  answer(decision: Decision): ServerAction[] {
    const pending = this.#pending;
    if (!pending) throw new Error("no question is open");
    this.#pending = undefined;
    this.#decide(pending, decision);
    this.#run();
    return this.#take();
  }

  /**
   * The session after the hand-shake of STARTTLS: a fresh one, so nothing said or sent before can be left over
   * (RFC 3207 section 4.2). It sends no greeting; the client says EHLO again.
   */
  secured(tls: TlsInfo): ServerSession {
    const { id, clientAddress } = this.#info;
    const fresh = new ServerSession(this.#options, { id, clientAddress, tls });
    fresh.#mode = { kind: "command" };
    // Numbers of transactions stay unique within the connection.
    fresh.#transactions = this.#transactions;
    return fresh;
  }

  /** Ends the session as soon as no transaction is open. */
  shutdown(): ServerAction[] {
    this.#stopping = true;
    this.#stopIfIdle();
    return this.#take();
  }

  /** Ends the session now (time-outs): the reply is sent and the connection closed. */
  abort(reply: Reply): ServerAction[] {
    if (this.#mode.kind !== "over") this.#reply({ ...reply, close: true });
    return this.#take();
  }

  /** The client has gone. */
  disconnected(): ServerAction[] {
    this.#over();
    return this.#take();
  }

  #take(): ServerAction[] {
    const actions = this.#actions;
    this.#actions = [];
    return actions;
  }

  #run(): void {
    while (this.#pending === undefined && this.#mode.kind !== "over") {
      this.#stopIfIdle();
      const chunk = this.#input[0];
      if (!chunk) return;
      const next = this.#consume(chunk);
      if (next < chunk.length) this.#offset = next;
      else {
        this.#input.shift();
        this.#offset = 0;
      }
    }
    if (this.#mode.kind === "over") this.#input.length = 0;
  }

  #consume(chunk: Uint8Array): number {
    const mode = this.#mode;
    if (mode.kind === "data") {
      const progress = mode.reader.read(chunk, this.#offset);
      if (progress.end) this.#messageEnd(mode.transaction, mode.reader);
      return progress.next;
    }
    const { next, event } = this.#lines.read(chunk, this.#offset);
    if (event) this.#line(event);
    return next;
  }

  #line(event: LineEvent) {
    const mode = this.#mode;
    const inAuth = mode.kind === "auth";
    if (inAuth) this.#mode = { kind: "command" };
    if (event.kind === "bareLineFeed") return this.#reply(replies.bareLineFeed);
    if (event.kind === "tooLong") return this.#reply(inAuth ? replies.authLineTooLong : replies.lineTooLong);
    const text = decodeLine(event.bytes);
    if (text === undefined) return this.#reply(replies.badCharacters);
    if (inAuth) return this.#authStep(mode.next(text));
    return this.#command(text, event.bytes.length + 2);
  }

  #command(text: string, length: number) {
    const [, name = "", argument = ""] = /^([A-Za-z]*)(?:[ \t](.*))?$/.exec(text.trimEnd()) ?? [];
    const verb = name.toUpperCase();
    if (length > (verb === "AUTH" ? LINE_MAX : COMMAND_MAX)) return this.#reply(replies.lineTooLong);
    const found = VERBS[this.#options.protocol].get(verb);
    if (!found) return this.#reply(replies.unknownCommand);
    const checked = found(this.#view(), argument);
    if (checked.ok) checked.value(this.#control);
    else this.#reply(checked.reply);
  }

  #view(): View {
    return {
      options: this.#options,
      info: this.#info,
      extended: this.#extended,
      transaction: this.#transaction,
    };
  }

  readonly #control: Control = {
    reply: (reply) => this.#reply(reply),
    ask: (question, accepted) => this.#ask(question, accepted),
    setHelo: (name, extended) => {
      this.#info.helo = name;
      this.#extended = extended;
      this.#nameProtocol();
    },
    reset: () => this.#drop(),
    draft: (from, parameters) => {
      this.#transactions += 1;
      return new OpenTransaction(this.#transactions, from, parameters);
    },
    open: (transaction) => {
      this.#transaction = transaction;
    },
    startData: (transaction) => this.#startData(transaction),
    startTls: () => {
      this.#drop();
      this.#reply(replies.readyForTls);
      this.#push({ kind: "startTls" });
      this.#mode = { kind: "over" };
    },
    auth: (step) => this.#authStep({ ok: true, value: step }),
  };

  #startData(transaction: OpenTransaction): void {
    const emit = (bytes: Uint8Array): void => this.#push({ kind: "chunk", transaction, bytes });
    const reader = new DataReader(this.#options.limits.messageBytes, emit);
    this.#mode = { kind: "data", reader, transaction };
  }

  #messageEnd(transaction: OpenTransaction, reader: DataReader): void {
    this.#mode = { kind: "command" };
    if (reader.fault !== undefined) {
      this.#drop();
      this.#reply(faultReply(reader.fault, this.#options.limits.messageBytes));
      return;
    }
    // The message is the policy's now; whatever it answers, the transaction is at its end.
    this.#transaction = undefined;
    this.#ask({ kind: "message", transaction, size: reader.size }, () => replies.accepted);
  }

  #authStep(checked: { ok: true; value: AuthStep } | { ok: false; reply: Reply }) {
    if (!checked.ok) return this.#reply(checked.reply);
    const step = checked.value;
    if (step.kind === "credentials") {
      return this.#ask({ kind: "auth", ...step.credentials }, () => replies.localError);
    }
    this.#reply(step.reply);
    this.#mode = { kind: "auth", next: step.next };
  }

  #ask(question: Question, accepted: () => Reply): void {
    this.#pending = { question, accepted };
    this.#push({ kind: "ask", question });
  }

  #decide({ question, accepted }: Pending, decision: Decision): void {
    if (this.#mode.kind === "over") return;
    if (question.kind === "message" && this.#options.protocol === "lmtp") {
      for (const reply of lmtpReplies(question.transaction, decision)) this.#reply(reply);
    } else if (decision.kind === "refuse") {
      this.#reply(question.kind === "connect" ? { ...decision.reply, close: true } : decision.reply);
    } else if (decision.kind === "authenticated" && question.kind === "auth") {
      this.#info.user = decision.user;
      this.#nameProtocol();
      this.#reply(replies.authenticated);
    } else if (decision.kind === "accept") {
      const usual = accepted();
      this.#reply(decision.reply ?? usual);
    } else {
      this.#reply(replies.localError);
    }
  }

  #reply(reply: Reply): void {
    if (this.#mode.kind === "over") return;
    this.#push({ kind: "reply", reply });
    // Temporary refusals are our trouble, not the client's fault.
    if (reply.code >= 500) this.#errors += 1;
    if (reply.close === true) {
      this.#over();
      this.#push({ kind: "close" });
    } else if (this.#errors >= this.#options.limits.errors) {
      this.#reply(replies.tooManyErrors);
    }
  }

  #stopIfIdle(): void {
    if (!this.#stopping || this.#pending || this.#transaction) return;
    if (this.#mode.kind !== "over") this.#reply(replies.shuttingDown);
  }

  #drop(): void {
    if (this.#transaction) this.#push({ kind: "dropped", transaction: this.#transaction });
    this.#transaction = undefined;
  }

  #over(): void {
    this.#drop();
    this.#mode = { kind: "over" };
  }

  #push(action: ServerAction): void {
    this.#actions.push(action);
  }

  #nameProtocol(): void {
    this.#info.protocol = protocolName(this.#options, this.#info, this.#extended);
  }
}
