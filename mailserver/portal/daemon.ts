/** Puts the portal together. `main.ts` runs it; tests run it in their own process. */
import { constants } from "node:crypto";
import { createServer } from "node:https";
import { getRequestListener } from "@hono/node-server";
import type { PortalSettings } from "../contract.ts";
import { type Accounts, createDirectory } from "../directory/directory.ts";
import { createDns, type MxRecords } from "../dns/resolver.ts";
import { openLimitsFile } from "../limits/limits-file.ts";
import { createLoginMemory } from "../limits/login-memory.ts";
import { deliver } from "../net/client.ts";
import { ServerIdentity } from "../net/identity.ts";
import type { Log } from "../net/log.ts";
import type { Connections } from "../net/pool.ts";
import { MIN_VERSION } from "../net/tls.ts";
import { type OperatorClient, operatorClient } from "../operator/client.ts";
import { createLoginGuard } from "../policy/login-guard.ts";
import type { Clock } from "../queue/clock.ts";
import { createPortal } from "./app.ts";
import { fewAtOnce, readInPortions, shareConnections } from "./connections.ts";
import { createPresence } from "./presence.ts";
import { Sessions } from "./sessions.ts";
import { createTestMails } from "./test-mail.ts";
import { createUsage } from "./usage.ts";

/** What differs between the container and a test. */
export interface PortalDaemonDeps {
  readonly log: Log;
  readonly clock: Clock;
  readonly newToken: () => string;
  readonly directory?: Accounts & { close(): Promise<void> };
  readonly operator?: OperatorClient;
  readonly dns?: MxRecords;
  readonly connections?: Connections;
  readonly loginStepMs?: number;
}

export interface PortalDaemon {
  readonly port: number;
  /** Answers what was asked, within three seconds. */
  close(): Promise<void>;
}

const DRAIN_MS = 2_000;
const HANDSHAKE_MS = 10_000;
/** How often it is looked who is late. */
const CHECK_MS = 2_000;

/** Listens when it resolves; rejects when the port or the certificate can't be had. */
export async function startPortal(settings: PortalSettings, deps: PortalDaemonDeps): Promise<PortalDaemon> {
  const { log, clock, newToken } = deps;
  const directory = deps.directory ?? createDirectory(settings.directory, { now: clock.elapsed, log });
  const { limitsFile, memory } = openLimitsFile(settings.stateDir, log, (db) => ({
    limitsFile: db,
    memory: createLoginMemory({
      // The nearest secret that outlives a restart: it keeps names unreadable for who has the file alone.
      ...{ db, secret: settings.relay.password, now: clock.now },
      failed: (error) => log.error("portal.guard.unsaved", { error }),
    }),
  }));
  const guard = createLoginGuard({
    ...{ now: clock.elapsed, memory },
    ...(deps.loginStepMs === undefined ? {} : { stepMs: deps.loginStepMs }),
  });
  const operator = deps.operator ?? operatorClient({ socket: settings.operatorSocket });
  const app = createPortal({
    ...{ settings, directory, guard, clock, log },
    operator,
    isThere: createPresence({ directory, now: clock.elapsed }),
    usage: createUsage(operator, clock),
    sendTestMail: createTestMails({
      ...{ relay: settings.relay, newToken, clock, log },
      connections: deps.connections ?? { deliver },
    }),
    dns: deps.dns ?? createDns(settings.resolvers, { now: clock.elapsed, remember: false }),
    sessions: new Sessions({ now: clock.elapsed, newToken, limits: settings.session }),
  });
  const server = createServer(
    {
      ...{ headersTimeout: 10_000, requestTimeout: 20_000, maxHeaderSize: 16_384 },
      ...{ handshakeTimeout: HANDSHAKE_MS, connectionsCheckingInterval: CHECK_MS },
    },
    fewAtOnce(getRequestListener(app.fetch)),
  );
  shareConnections(server);
  readInPortions(server);
  const identity = await ServerIdentity.load(settings.tls, {
    timing: clock,
    log,
    use: ({ certificate, key }) =>
      server.setSecureContext({
        ...{ cert: certificate, key, minVersion: MIN_VERSION },
        secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
      }),
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject).listen(settings.port, resolve);
  await promise;
  const unwatch = identity.watch();
  const bound = server.address();
  return {
    port: typeof bound === "object" && bound !== null ? bound.port : settings.port,
    close: async () => {
      unwatch();
      const closed = new Promise<void>((done) => {
        server.close(() => done());
      });
      server.closeIdleConnections();
      const cancel = clock.after(DRAIN_MS, () => server.closeAllConnections());
      await closed;
      cancel();
      await directory.close();
      limitsFile.close();
    },
  };
}
