/** Puts smtp-in together: listener, directory, couriers. `main.ts` runs it; tests run it in their own process. */
import type { SmtpInSettings } from "../contract.ts";
import { createBoxCourier } from "../courier/lmtp.ts";
import { createDirectory, type Directory } from "../directory/directory.ts";
import type { Log } from "../net/log.ts";
import { Room } from "../net/room.ts";
import { serve } from "../net/serve.ts";
import type { Clock } from "../queue/clock.ts";
import { createHandler } from "./handler.ts";
import { createMailDrop } from "./mail-drop.ts";

/** What differs between the container and a test. */
export interface DaemonDeps {
  readonly log: Log;
  readonly clock: Clock;
  /** Instead of the LDAP directory. */
  readonly directory?: Pick<Directory, "findRecipient" | "close">;
  readonly patienceMs?: number;
  readonly graceMs?: number;
}

export interface SmtpIn {
  readonly port: number;
  /** Drains within three seconds. */
  close(): Promise<void>;
}

/** Internal peers that need longer than this are as good as gone; senders wait ten minutes (RFC 5321 section 4.5.3.2.6). */
const TIMEOUTS = { connectMs: 5_000, replyMs: 60_000, messageMs: 240_000 };
const PATIENCE_MS = 5_000;
/** Messages that all sessions together may hold, in messages of the greatest size. */
const ROOM_MESSAGES = 4;
/** And those of one client. */
const CLIENT_MESSAGES = 2;

/** Listens when it resolves; rejects when the port can't be had. */
export async function startSmtpIn(settings: SmtpInSettings, deps: DaemonDeps): Promise<SmtpIn> {
  const { log, clock } = deps;
  const { hostname, domains, limits, relay } = settings;
  const directory = deps.directory ?? createDirectory(settings.directory, { now: clock.now, log });
  const resolve = (address: string) => directory.findRecipient(address);
  const courier = createBoxCourier({ hostname, port: settings.lmtpPort, log, timeouts: TIMEOUTS });
  const patienceMs = deps.patienceMs ?? PATIENCE_MS;
  const drop = createMailDrop({ hostname, relay, courier, clock, log, timeouts: TIMEOUTS, patienceMs });
  const room = new Room(ROOM_MESSAGES * limits.messageBytes, CLIENT_MESSAGES * limits.messageBytes);
  const listener = await serve({
    listen: { port: settings.port },
    tls: settings.tls,
    session: { protocol: "smtp", hostname, startTls: true, auth: "never", authRequired: false, limits },
    limits,
    handler: createHandler({ hostname, domains, resolve, drop, room, clock, log }),
    log,
    ...(deps.graceMs === undefined ? {} : { graceMs: deps.graceMs }),
  });
  return {
    port: listener.port,
    close: async () => {
      await listener.close();
      await directory.close();
    },
  };
}
