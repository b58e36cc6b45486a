/** A session engine and a daemon's real handler, without sockets: a client's lines in, replies out. */
import { consult } from "../../mailserver/net/consult.ts";
import type { SessionHandler } from "../../mailserver/net/types.ts";
import { SmtpError } from "../../mailserver/smtp/error.ts";
import { formatReply } from "../../mailserver/smtp/reply-format.ts";
import { ServerSession } from "../../mailserver/smtp/server-session.ts";
import type {
  Decision,
  Question,
  ServerAction,
  ServerOptions,
  SessionInfo,
} from "../../mailserver/smtp/types.ts";

export const TLS = { version: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384" };

export interface ConversationOptions {
  readonly session: ServerOptions;
  readonly handler: (session: SessionInfo) => SessionHandler;
  readonly clientAddress?: string;
  /** Under TLS from the first byte. */
  readonly tls?: boolean;
}

let sessions = 0;

export class Conversation {
  readonly #options: ConversationOptions;
  #session: ServerSession;
  #handler: SessionHandler;
  #output = "";
  closed = false;

  private constructor(options: ConversationOptions) {
    this.#options = options;
    const { session, handler, clientAddress = "192.0.2.1", tls = false } = options;
    const client = { id: `c${++sessions}`, clientAddress, ...(tls ? { tls: TLS } : {}) };
    this.#session = new ServerSession(session, client);
    this.#handler = handler(this.#session.info);
  }

  /** Up to the greeting. */
  static async open(options: ConversationOptions): Promise<Conversation> {
    const conversation = new Conversation(options);
    await conversation.#perform(conversation.#session.start());
    conversation.#output = "";
    return conversation;
  }

  /** Sends a line, or several; gives back what was answered, the last line end left out. */
  async say(text: string): Promise<string> {
    await this.#perform(this.#session.receive(Buffer.from(`${text}\r\n`)));
    const output = this.#output.replace(/\r\n$/, "");
    this.#output = "";
    return output;
  }

  /** AUTH PLAIN. */
  auth(user: string, password: string, authorization = ""): Promise<string> {
    return this.say(
      `AUTH PLAIN ${Buffer.from([authorization, user, password].join("\0")).toString("base64")}`,
    );
  }

  async #perform(first: readonly ServerAction[]): Promise<void> {
    for (const actions = [...first]; actions.length > 0; ) {
      const action = actions.shift();
      if (action?.kind === "reply") this.#output += formatReply(action.reply);
      else if (action?.kind === "ask")
        actions.push(...this.#session.answer(await this.#decide(action.question)));
      else if (action?.kind === "chunk") await this.#handler.chunk(action.transaction, action.bytes);
      else if (action?.kind === "dropped") this.#handler.dropped?.(action.transaction);
      else if (action?.kind === "close") this.closed = true;
      else if (action?.kind === "startTls") {
        this.#session = this.#session.secured(TLS);
        this.#handler = this.#options.handler(this.#session.info);
      }
    }
  }

  async #decide(question: Question): Promise<Decision> {
    try {
      return await consult(this.#handler, question);
    } catch (error) {
      if (error instanceof SmtpError) return { kind: "refuse", reply: error.reply };
      throw error;
    }
  }
}
