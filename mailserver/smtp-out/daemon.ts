/** Puts smtp-out together: listeners, queue, couriers. `main.ts` runs it; tests run it in their own process. */
import type { SmtpOutSettings } from "../contract.ts";
import { createBoxLine } from "../courier/box-line.ts";
import type { BoxReplies } from "../courier/box-replies.ts";
import { createStsPolicies } from "../courier/mta-sts.ts";
import type { Dns } from "../courier/mx.ts";
import { createSecurity, type SecurityDns } from "../courier/security.ts";
import { createSmtpCourier } from "../courier/smtp.ts";
import { openStsStore, type StsStore } from "../courier/sts-store.ts";
import { createTargetRule } from "../courier/target.ts";
import { createDirectory, type Directory } from "../directory/directory.ts";
import { createDns } from "../dns/resolver.ts";
import { openLimitsFile } from "../limits/limits-file.ts";
import { createLoginMemory } from "../limits/login-memory.ts";
import { ServerIdentity } from "../net/identity.ts";
import type { Log } from "../net/log.ts";
import { ConnectionPool } from "../net/pool.ts";
import { Room, roomFor } from "../net/room.ts";
import { serve } from "../net/serve.ts";
import { doorContext } from "../net/tls.ts";
import type { ClientTimeouts, MailListener } from "../net/types.ts";
import { createLoginGuard } from "../policy/login-guard.ts";
import { rewrite } from "../policy/srs.ts";
import type { Clock } from "../queue/clock.ts";
import type { NewItem } from "../queue/item.ts";
import { openQueue, type Queue } from "../queue/queue.ts";
import { type Runner, startRunner } from "../queue/runner.ts";
import { createPostReport } from "../tls-report/post.ts";
import { startTlsReporter, type TlsReporter } from "../tls-report/reporter.ts";
import { openTlsReportStore, type TlsReportStore } from "../tls-report/store.ts";
import { createArcSealer } from "./arc.ts";
import { createDeliver, type DeliverDeps } from "./deliver.ts";
import { createDkimSigners } from "./dkim.ts";
import { createHandler, type HandlerDeps } from "./handler.ts";
import { createNotifier, createOwnSigner } from "./notify.ts";
import { collectReplies } from "./replies.ts";
import { createSendingLimits } from "./sending-limits.ts";
import { serveAccess } from "./serve-access.ts";
import { sessionOptions } from "./session-options.ts";

/** Deliveries to others are mostly waiting: for DNS, for a handshake, for a host that may never answer. */
const AT_ONCE = 100;

/** What differs between the container and a test. */
export interface DaemonDeps {
  readonly log: Log;
  readonly clock: Clock;
  readonly random: () => number;
  readonly newId: () => string;
  /** Entry of the queue's worker thread. */
  readonly queueWorker: URL;
  readonly dns?: Dns & SecurityDns;
  readonly directory?: Directory;
  readonly timeouts?: Partial<ClientTimeouts>;
  /** Milliseconds that each wrong password adds to its answer. */
  readonly loginStepMs?: number;
}

export interface SmtpOut {
  readonly ports: { readonly submission: number; readonly submissions: number; readonly relay: number };
  readonly queue: Queue;
  /** For messages that are being received. */
  readonly room: Pick<Room, "held" | "sizes">;
  /** Rejects when the daemon can't go on. */
  readonly failed: Promise<never>;
  /** Drains within three seconds. */
  close(): Promise<void>;
}

/** Sessions with the boxes: short, since each costs a box a process while it is open. */
const KEPT = { idleMs: 5_000, messages: 1_000 };
/**
 * Sessions with foreign hosts, which may be strict about idle clients, long sessions, and many from one address: more of
 * them only while a host keeps up. 20 is what others open, too.
 */
const KEPT_ABROAD = { idleMs: 3_000, messages: 100, perPeer: { first: 5, most: 20 } };

/** Listens when it resolves; rejects when a port, the queue, the certificate or a key can't be had. */
export async function startSmtpOut(settings: SmtpOutSettings, deps: DaemonDeps): Promise<SmtpOut> {
  const { log, clock } = deps;
  const { hostname, domains } = settings;
  const identity = await ServerIdentity.load(settings.tls, { timing: clock, log });
  const signers = createDkimSigners(settings.dkim);
  const directory = deps.directory ?? createDirectory(settings.directory, { now: clock.elapsed, log });
  const queue = await openQueue({ dir: settings.queueDir, worker: deps.queueWorker });
  log.info("queue.started", await queue.counts());
  // It takes the largest ones.
  const room = new Room(roomFor(sessionOptions("relay", settings).limits.messageBytes));
  const { limitsFile, memory, limits } = openLimits(settings, deps);
  const step = deps.loginStepMs === undefined ? {} : { stepMs: deps.loginStepMs };
  const guard = createLoginGuard({ now: clock.elapsed, memory, ...step });
  const stsStore = openStsStore(settings.queueDir, log);
  const handlerDeps = {
    ...deps,
    ...{ hostname, domains, rules: settings, directory, guard, queue, signers, room },
    ownNames: [hostname, ...settings.ownNames],
    ...sealing(settings, log),
    relay: settings.relay,
    showClient: settings.showClient,
    portal: settings.portal,
    sending: { settings: settings.sending, limits },
  };
  const listeners = await listenAll(settings, identity, handlerDeps).catch(async (error: unknown) => {
    await queue.close();
    limitsFile.close();
    stsStore.close();
    throw error;
  });
  const connections = new ConnectionPool(KEPT);
  const abroad = new ConnectionPool(KEPT_ABROAD);
  const dns = deps.dns ?? createDns(settings.resolvers, { now: clock.elapsed });
  const reporting = startReports(settings, { ...handlerDeps, dns });
  const tlsReporter = reporting?.reporter;
  const replies = collectReplies(settings, handlerDeps);
  const runner = startDelivery(settings, {
    ...{ ...deps, ...handlerDeps, dns, connections, abroad, stsStore, tlsReporter, replies },
  });
  const [submission, submissions, relay] = listeners.mail;
  const unwatch = identity.watch();
  return {
    ports: { submission: submission.port, submissions: submissions.port, relay: relay.port },
    queue,
    room,
    failed: queue.failed,
    close: async () => {
      unwatch();
      // The queue closes last: a message that is being taken in may still become durable.
      const stopping = [...listeners.mail, listeners.access].map((listener) => listener?.close());
      await Promise.all([...stopping, runner.stop(), replies?.close()]);
      await Promise.all([connections.close(), abroad.close(), reporting?.reporter.stop()]);
      await queue.close();
      reporting?.store.close();
      limitsFile.close();
      stsStore.close();
      await directory.close();
    },
  };
}

/** Who may log in, and how much they may send. */
function openLimits({ queueDir, relay, sending }: SmtpOutSettings, { log, clock: { now } }: DaemonDeps) {
  return openLimitsFile(queueDir, log, (db) => ({
    limitsFile: db,
    memory: createLoginMemory({
      ...{ db, secret: relay.password, now },
      failed: (error) => log.error("smtp.auth.unsaved", { error }),
    }),
    limits: createSendingLimits({ db, limits: sending, now }),
  }));
}

type DeliveryDeps = DaemonDeps &
  HandlerDeps & {
    readonly queue: Queue;
    /** To the boxes. */
    readonly connections: ConnectionPool;
    /** To foreign hosts. */
    readonly abroad: ConnectionPool;
    readonly stsStore: StsStore;
    readonly dns: Dns & SecurityDns;
    readonly tlsReporter?: TlsReporter | undefined;
    readonly replies: BoxReplies | undefined;
  };

function startDelivery(settings: SmtpOutSettings, deps: DeliveryDeps): Runner {
  const { hostname, log, clock, queue, random, directory, connections } = deps;
  const timeouts = deps.timeouts === undefined ? {} : { timeouts: deps.timeouts };
  const { dns } = deps;
  const mayReach = createTargetRule(settings.allowTargets);
  const { tlsReporter } = deps;
  const sts = createStsPolicies({ dns, mayReach, store: deps.stsStore, clock, log });
  const smtpDeps = {
    dns,
    security: createSecurity({ dns, sts, port: settings.remotePort, exempt: settings.tlsExempt }),
    random,
    ownNames: deps.ownNames,
    hostname,
    port: settings.remotePort,
    mayReach,
    connections: deps.abroad,
    log,
    ...(tlsReporter && { noted: tlsReporter.note }),
    ...timeouts,
  };
  const smtp = createSmtpCourier(smtpDeps);
  const { lmtpPort: port, boxDoor } = settings;
  const door = boxDoor && doorContext(boxDoor);
  const reports = createSmtpCourier({
    ...smtpDeps,
    security: async () => async () => ({ kind: "opportunistic" }),
  });
  // What waits here waits for a person rather than for a box, so there is nothing that a box's return could hasten.
  const onBack = (): void => {};
  const { replies } = deps;
  const box = createBoxLine({ hostname, port, door, connections, log, clock, onBack, replies, ...timeouts });
  return startRunner({
    queue,
    deliver: createDeliver({
      directory,
      rules: settings,
      smtp,
      reports,
      box,
      ...forwarding(settings, clock),
    }),
    composeDsn: createNotifier(deps, settings),
    retry: settings.retry,
    atOnce: AT_ONCE,
    clock,
    random,
    log,
  });
}

/** Undefined unless the settings ask for reports to the domains that we send to. */
function startReports(
  settings: SmtpOutSettings,
  deps: HandlerDeps & { readonly dns: Dns & SecurityDns },
): { readonly store: TlsReportStore; readonly reporter: TlsReporter } | undefined {
  if (!settings.tlsReports) return undefined;
  const { queue, clock } = deps;
  const store = openTlsReportStore(settings.queueDir, deps.log);
  const sign = createOwnSigner(deps);
  const post = createPostReport({ dns: deps.dns, mayReach: createTargetRule(settings.allowTargets) });
  const enqueue = (item: NewItem): Promise<void> => queue.enqueue(item);
  return { store, reporter: startTlsReporter({ ...deps, clock, store, sign, post, enqueue }) };
}

/** Mail that is not from our people is mail that they forward. */
function forwarding(
  { domains, srsSecret: secret }: SmtpOutSettings,
  clock: Clock,
): Pick<DeliverDeps, "reversePath"> {
  if (secret === undefined) return {};
  return { reversePath: (from) => rewrite(from, { domains, secret }, clock.now()) };
}

/** With the key of the domain whose people they are. */
function sealing({ dkim, domains, ownNames }: SmtpOutSettings, log: Log): Pick<HandlerDeps, "sealer"> {
  const key = dkim.find(({ domain }) => domain === domains[0]);
  return key === undefined ? {} : { sealer: createArcSealer({ key, names: ownNames, log }) };
}

type Listeners = [MailListener, MailListener, MailListener];
type Closable = Pick<MailListener, "close">;

/** All of them, or none. */
async function listenAll(
  settings: SmtpOutSettings,
  identity: ServerIdentity,
  deps: HandlerDeps,
): Promise<{ readonly mail: Listeners; readonly access: Closable | undefined }> {
  const { limits } = settings;
  const submission = createHandler("submission", deps);
  const common = { limits, log: deps.log };
  const opened: Closable[] = [];
  const open = async (options: Parameters<typeof serve>[0]): Promise<MailListener> => {
    const listener = await serve(options);
    opened.push(listener);
    return listener;
  };
  try {
    const mail: Listeners = [
      await open({
        ...common,
        listen: { port: settings.submissionPort },
        tls: identity,
        session: sessionOptions("submission", settings),
        handler: submission,
      }),
      await open({
        ...common,
        listen: { port: settings.submissionsPort },
        tls: { context: identity.context, implicit: true },
        session: sessionOptions("submissions", settings),
        handler: submission,
      }),
      // Its one client is smtp-in.
      await open({
        ...common,
        limits: { ...limits, connectionsPerClient: limits.connections },
        listen: { port: settings.relayPort },
        session: sessionOptions("relay", settings),
        handler: createHandler("relay", deps),
      }),
    ];
    return { mail, access: settings.access && (await serveAccess(settings.access, deps)) };
  } catch (error) {
    await Promise.all(opened.map((listener) => listener.close()));
    throw error;
  }
}
