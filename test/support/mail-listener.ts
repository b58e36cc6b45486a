/** Listeners whose policy a test writes, built on our own server. */
import { silentLog } from "../../mailserver/net/log.ts";
import { serve } from "../../mailserver/net/serve.ts";
import { serverContext } from "../../mailserver/net/tls.ts";
import type { MailListener, ServeOptions, SessionHandler, TlsIdentity } from "../../mailserver/net/types.ts";
import type { Decision, SessionInfo, Transaction } from "../../mailserver/smtp/types.ts";

/** A message as a listener got it. */
export interface Received {
  readonly from: string;
  readonly to: readonly string[];
  readonly text: string;
  readonly session: SessionInfo;
}

export interface Inbox {
  readonly listener: MailListener;
  readonly messages: readonly Received[];
  /** Settles when this many messages were taken. */
  reached(count: number): Promise<void>;
  /** The greatest number of messages that were being answered at once. */
  readonly atOnce: () => number;
}

type Policy = Partial<Omit<SessionHandler, "message">> & {
  message?(received: Received): Decision | Promise<Decision>;
};

type Options = Partial<Omit<ServeOptions, "session" | "limits" | "handler" | "tls">> & {
  readonly tls?: TlsIdentity & { readonly implicit?: boolean };
  readonly session?: Partial<ServeOptions["session"]>;
  readonly limits?: Partial<ServeOptions["limits"]>;
  readonly policy?: Policy;
};

const SESSION_LIMITS = { messageBytes: 1_000_000, recipients: 100, errors: 20 };

/** Listens on loopback and keeps what it takes. */
export async function listenForMail(options: Options = {}): Promise<Inbox> {
  const messages: Received[] = [];
  let arrived = Promise.withResolvers<void>();
  let running = 0;
  let most = 0;
  const { policy = {}, session, limits, tls, ...rest } = options;
  const context = tls && serverContext(tls);
  const handler = (info: SessionInfo): SessionHandler => {
    const texts = new Map<Transaction, string>();
    return {
      rcpt: () => ({ kind: "accept" }),
      chunk: (transaction, bytes) => {
        texts.set(transaction, (texts.get(transaction) ?? "") + Buffer.from(bytes).toString("latin1"));
      },
      ...policy,
      message: async (transaction) => {
        running += 1;
        most = Math.max(most, running);
        const received: Received = {
          from: transaction.from?.text ?? "",
          to: transaction.recipients.map(({ address }) => address.text),
          text: texts.get(transaction) ?? "",
          session: { ...info },
        };
        const decision = (await policy.message?.(received)) ?? { kind: "accept" };
        running -= 1;
        if (decision.kind === "refuse") return decision;
        messages.push(received);
        arrived.resolve();
        arrived = Promise.withResolvers<void>();
        return decision;
      },
    };
  };
  const listener = await serve({
    listen: { host: "127.0.0.1", port: 0 },
    log: silentLog,
    graceMs: 200,
    ...rest,
    ...(context && { tls: { context: () => context, implicit: tls.implicit === true } }),
    session: {
      protocol: "smtp",
      hostname: "mx.semail.test",
      startTls: tls !== undefined && tls.implicit !== true,
      auth: "never",
      authRequired: false,
      limits: SESSION_LIMITS,
      ...session,
    },
    limits: { idleMs: 5_000, sessionMs: 20_000, connections: 10, ...limits },
    handler,
  });
  const reached = async (count: number): Promise<void> => {
    while (messages.length < count) await arrived.promise;
  };
  return { listener, messages, reached, atOnce: () => most };
}
