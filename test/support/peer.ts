/** A mail server built from the engine that keeps what it gets, for tests of the sending side. */
import { silentLog } from "../../mailserver/net/log.ts";
import { serve } from "../../mailserver/net/serve.ts";
import { serverContext } from "../../mailserver/net/tls.ts";
import type { ServeOptions, TlsIdentity } from "../../mailserver/net/types.ts";
import type { Decision, ReversePath, SessionInfo } from "../../mailserver/smtp/types.ts";

export interface Received {
  readonly from: ReversePath;
  readonly recipients: readonly string[];
  readonly body: Buffer;
  readonly session: { readonly helo: string | undefined; readonly protocol: string };
  /** Of the connection that it came over. */
  readonly connection: string;
}

export interface Peer extends AsyncDisposable {
  readonly port: number;
  readonly received: readonly Received[];
  /** The next message that arrives, or has arrived and was not taken yet. */
  next(): Promise<Received>;
}

export interface PeerOptions {
  readonly protocol?: "smtp" | "lmtp";
  readonly tls?: TlsIdentity;
  /** 127.0.0.1 unless told. */
  readonly host?: string;
  readonly port?: number;
  /** Answers RCPT; accepts when it gives nothing. */
  readonly rcpt?: (address: string) => Decision | undefined;
}

const limits = { messageBytes: 30_000_000, recipients: 100, errors: 20 };

export async function startPeer(options: PeerOptions = {}): Promise<Peer> {
  const received: Received[] = [];
  const waiting: ((message: Received) => void)[] = [];
  let taken = 0;
  const context = options.tls && serverContext(options.tls);
  const handler = (session: SessionInfo): ReturnType<ServeOptions["handler"]> => {
    let chunks: Buffer[] = [];
    return {
      mail: () => {
        chunks = [];
        return { kind: "accept" };
      },
      rcpt: (_transaction, { address }) => options.rcpt?.(address.text) ?? { kind: "accept" },
      chunk: (_transaction, bytes) => void chunks.push(Buffer.from(bytes)),
      message: ({ from, recipients }) => {
        const { helo, protocol } = session;
        const to = recipients.map(({ address }) => address.text);
        const message = {
          ...{ from, recipients: to, body: Buffer.concat(chunks) },
          ...{ session: { helo, protocol }, connection: session.id },
        };
        received.push(message);
        const waiter = waiting.shift();
        if (waiter !== undefined) {
          taken += 1;
          waiter(message);
        }
        return { kind: "accept" };
      },
    };
  };
  const listener = await serve({
    listen: { host: options.host ?? "127.0.0.1", port: options.port ?? 0 },
    ...(context && { tls: { context: () => context } }),
    session: {
      protocol: options.protocol ?? "smtp",
      hostname: "peer.test",
      startTls: options.tls !== undefined,
      auth: "never",
      authRequired: false,
      limits,
    },
    limits: { idleMs: 10_000, sessionMs: 60_000, connections: 100 },
    handler,
    log: silentLog,
    graceMs: 100,
  });
  return {
    port: listener.port,
    received,
    next: () => {
      const message = received[taken];
      if (message !== undefined) {
        taken += 1;
        return Promise.resolve(message);
      }
      return new Promise((resolve) => waiting.push(resolve));
    },
    [Symbol.asyncDispose]: () => listener.close(),
  };
}
