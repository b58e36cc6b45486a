/**
 * The server side of SMTP (RFC 5321) and LMTP (RFC 2033) without I/O: bytes in, actions out. While a question is
 * open nothing is consumed, so pipelined commands (RFC 2920) wait their turn.
 */
import type { AuthStep } from "./auth.ts";
import { Input } from "./input.ts";
import { COMMAND_MAX, LINE_MAX, type LineEvent, LineReader } from "./line-reader.ts";
import { type IntakeHost, type Message, MessageIntake } from "./message-intake.ts";
import * as replies from "./replies.ts";
import type { Mode, Mutable, Pending } from "./server-state.ts";
import { faultReply, type Line, lineText, messageReplies, protocolName } from "./server-words.ts";
import { Tally } from "./tally.ts";
import { OpenTransaction } from "./transaction.ts";
import type {
  Decision,
  Question,
  Reply,
  ServerAction,
  ServerOptions,
  SessionInfo,
  TlsInfo,
  Transaction,
} from "./types.ts";
import { type Control, VERBS, type View } from "./verbs.ts";

export class ServerSession {
  readonly #options: ServerOptions;
  readonly #info: Mutable<SessionInfo>;
  readonly #lines = new LineReader();
  readonly #input = new Input();
  readonly #intake: MessageIntake;
  readonly #tally: Tally;
  #mode: Mode;
  #pending: Pending | undefined;
  #extended = false;
  #transaction: OpenTransaction | undefined;
  #transactions = 0;
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
    this.#tally = new Tally(options.limits);
    this.#intake = new MessageIntake(options.limits.messageBytes, this.#control);
    this.#nameProtocol();
  }

  /** A live view. */
  get info(): SessionInfo {
    return this.#info;
  }

  /** Bytes that are kept: what was not consumed, and a line that is not whole. */
  get buffered(): number {
    return this.#input.size + this.#lines.size;
  }

  /** A message is on its way: the client is not expected to wait for anything. */
  get inMessage(): boolean {
    return this.#mode.kind === "octets";
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
    if (this.#mode.kind !== "over") this.#input.push(bytes);
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
    for (this.#stopIfIdle(); this.#pending === undefined && this.#mode.kind !== "over"; this.#stopIfIdle()) {
      const { next } = this.#input;
      if (!next) return;
      this.#input.advance(this.#consume(next.chunk, next.offset));
    }
    if (this.#mode.kind === "over") this.#input.clear();
  }

  #consume(chunk: Uint8Array, offset: number): number {
    const mode = this.#mode;
    if (mode.kind === "octets") {
      const progress = mode.reader.read(chunk, offset);
      if (progress.end) mode.ended();
      return progress.next;
    }
    const { next, event } = this.#lines.read(chunk, offset);
    if (event) this.#line(event);
    return next;
  }

  #line(event: LineEvent) {
    const mode = this.#mode;
    const inAuth = mode.kind === "auth";
    if (inAuth) this.#mode = { kind: "command" };
    const line = lineText(event, inAuth);
    if (!line.ok) return this.#reply(line.reply);
    return inAuth ? this.#authStep(mode.next(line.value.text)) : this.#command(line.value);
  }

  #command({ text, length }: Line) {
    const [, name = "", argument = ""] = /^([A-Za-z]*)(?:[ \t](.*))?$/.exec(text.trimEnd()) ?? [];
    const verb = name.toUpperCase();
    if (!this.#tally.command()) return this.#reply(replies.tooManyCommands);
    if (length > (verb === "AUTH" ? LINE_MAX : COMMAND_MAX)) {
      return this.#reply(verb === "BDAT" ? replies.badChunk : replies.lineTooLong);
    }
    const found = VERBS[this.#options.protocol].get(verb);
    if (!found) return this.#reply(replies.unknownCommand);
    const checked = found(this.#view(), argument);
    if (checked.ok) checked.value(this.#control);
    else this.#reply(checked.reply);
  }

  #view(): View {
    const [options, info, extended] = [this.#options, this.#info, this.#extended];
    return { options, info, extended, transaction: this.#transaction, transactions: this.#transactions };
  }

  readonly #control: Control & IntakeHost = {
    push: (action) => void this.#actions.push(action),
    setMode: (mode) => {
      this.#mode = mode;
    },
    progress: () => this.#tally.progress(),
    messageEnd: (transaction, message) => this.#messageEnd(transaction, message),
    reply: (reply) => this.#reply(reply),
    ask: (question, accepted, refused) => this.#ask(question, accepted, refused),
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
    startData: (transaction) => this.#intake.data(transaction),
    startChunk: (transaction, chunk) => {
      if (transaction.chunks) this.#intake.chunk(transaction, transaction.chunks, chunk);
      else this.#intake.firstChunk(transaction, chunk);
    },
    skipChunk: (octets, refusal) => this.#intake.skip(octets, refusal),
    startTls: () => {
      this.#drop();
      this.#reply(replies.readyForTls);
      this.#actions.push({ kind: "startTls" });
      this.#mode = { kind: "over" };
    },
    auth: (step) => this.#authStep({ ok: true, value: step }),
  };

  #messageEnd(transaction: OpenTransaction, { fault, size, whole }: Message) {
    if (fault !== undefined) {
      this.#drop();
      const reply = faultReply(fault, this.#options.limits.messageBytes);
      return whole ? this.#judge(transaction, { kind: "refuse", reply }) : this.#reply(reply);
    }
    // The message is the policy's now; whatever it answers, the transaction is at its end.
    this.#transaction = undefined;
    this.#ask({ kind: "message", transaction, size }, () => undefined);
  }

  #judge(transaction: Transaction, decision: Decision): void {
    if (decision.kind !== "refuse") this.#tally.message();
    for (const reply of messageReplies(this.#options.protocol, transaction, decision)) this.#reply(reply);
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

  #ask(question: Question, accepted: Pending["accepted"], refused?: Pending["refused"]): void {
    this.#pending = refused ? { question, accepted, refused } : { question, accepted };
    this.#actions.push({ kind: "ask", question });
  }

  #decide({ question, accepted, refused }: Pending, decision: Decision) {
    if (this.#mode.kind === "over") return;
    if (question.kind === "message") return this.#judge(question.transaction, decision);
    if (decision.kind === "refuse") {
      const reply = question.kind === "connect" ? { ...decision.reply, close: true } : decision.reply;
      return refused ? refused(reply) : this.#reply(reply);
    }
    if (decision.kind === "authenticated" && question.kind === "auth") {
      this.#info.user = decision.user;
      this.#nameProtocol();
      return this.#reply(replies.authenticated);
    }
    if (decision.kind !== "accept") return this.#reply(replies.localError);
    // Recipients have a limit of their own.
    if (question.kind === "rcpt") this.#tally.progress();
    const usual = accepted();
    if (usual) this.#reply(decision.reply ?? usual);
  }

  #reply(reply: Reply): void {
    if (this.#mode.kind === "over") return;
    this.#actions.push({ kind: "reply", reply });
    const patient = this.#tally.reply(reply.code);
    if (reply.close === true) {
      this.#over();
      this.#actions.push({ kind: "close" });
    } else if (!patient) this.#reply(replies.tooManyErrors);
  }

  #stopIfIdle(): void {
    if (!this.#stopping || this.#pending || this.#transaction) return;
    if (this.#mode.kind !== "over") this.#reply(replies.shuttingDown);
  }

  #drop(): void {
    if (this.#transaction) this.#actions.push({ kind: "dropped", transaction: this.#transaction });
    this.#transaction = undefined;
  }

  #over(): void {
    this.#drop();
    this.#mode = { kind: "over" };
  }

  #nameProtocol(): void {
    this.#info.protocol = protocolName(this.#options, this.#info, this.#extended);
  }
}
