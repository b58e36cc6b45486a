/** Puts smtp-in together: listener, directory, couriers, spool. `main.ts` runs it; tests run it in their own process. */
import type { SecureContext } from "node:tls";
import type { DNSResolver } from "mailauth";
import type { SmtpInSettings } from "../contract.ts";
import { type BoxLine, type BoxTurns, createBoxLine } from "../courier/box-line.ts";
import { type BoxReplies, createBoxReplies } from "../courier/box-replies.ts";
import { createRelayCourier } from "../courier/relay.ts";
import { cacheRecipients } from "../directory/cache.ts";
import { createDirectory, type Directory } from "../directory/directory.ts";
import { ServerIdentity } from "../net/identity.ts";
import type { Log } from "../net/log.ts";
import { ConnectionPool, type Connections } from "../net/pool.ts";
import { Room, roomFor } from "../net/room.ts";
import { serve } from "../net/serve.ts";
import { doorContext } from "../net/tls.ts";
import type { MailListener } from "../net/types.ts";
import type { ClientCounts } from "../policy/client-counts.ts";
import { restore } from "../policy/srs.ts";
import type { Clock } from "../queue/clock.ts";
import { openQueue, type Queue } from "../queue/queue.ts";
import { boxDestination, NOTIFICATION_DESTINATION, parseDestination } from "../queue/route.ts";
import { type Runner, startRunner } from "../queue/runner.ts";
import { parseAddress } from "../smtp/address.ts";
import { createSenderCheck } from "./check-sender.ts";
import { countClients, createClients } from "./clients.ts";
import { createBoxFinder, type FindBox } from "./find-box.ts";
import { createHandler, type HandlerDeps } from "./handler.ts";
import { createMailDrop } from "./mail-drop.ts";
import { createQuery } from "./questions.ts";
import { sessionOptions } from "./session-options.ts";
import { removeShard } from "./shards.ts";
import { createDeliver, createNotifier, createSpool } from "./spool.ts";
import { createTandem } from "./tandem.ts";

/** What differs between the container and a test. */
export interface DaemonDeps {
  readonly log: Log;
  readonly clock: Clock;
  readonly random: () => number;
  readonly newId: () => string;
  /** Entry of the queue's worker thread. */
  readonly queueWorker: URL;
  /** Instead of the LDAP directory. */
  readonly directory?: Pick<Directory, "findRecipient" | "close">;
  /** Instead of the resolvers of the settings. */
  readonly query?: DNSResolver;
  /** Counts that are shared with other processes, instead of counts of its own. */
  readonly counts?: ClientCounts;
  /** Other processes of this daemon listen on the same port. */
  readonly sharedPort?: boolean;
  /** Folders of spools that nobody else writes to: their mail is delivered, and nothing is added. */
  readonly adopt?: readonly string[];
  /** Takes turns at the boxes with those who share them. */
  readonly turns?: BoxTurns;
  /** A box takes mail again; for those who share the boxes. */
  readonly onBoxBack?: (host: string) => void;
  readonly graceMs?: number;
}

export interface SmtpIn {
  readonly port: number;
  readonly queue: Queue;
  /** For messages that are being received. */
  readonly room: Pick<Room, "held" | "sizes">;
  /** Rejects when the daemon can't go on. */
  readonly failed: Promise<never>;
  /** Another process found that a box takes mail again. */
  boxBack(host: string): void;
  /** The spool and those that were adopted. */
  readonly queues: readonly Queue[];
  /** Drains within three seconds. */
  close(): Promise<void>;
}

/**
 * Internal peers that need longer than this are as good as gone. No sender waits for all of it (`mail-drop.ts`); who gives up on
 * a box sooner gives it what it may have taken once more.
 */
const TIMEOUTS = { connectMs: 5_000, replyMs: 30_000, messageMs: 240_000 };
/** Sessions with the boxes and with smtp-out: short, since each costs a box a process while it is open. */
const KEPT = { idleMs: 5_000, messages: 1_000 };

/** Everything that a message passes through. */
interface Couriers extends DaemonDeps {
  readonly queue: Queue;
  readonly findBox: FindBox;
  readonly boxes: BoxLine;
  readonly connections: Connections;
}

interface Parts extends Couriers {
  readonly room: Room;
  readonly identity: ServerIdentity;
  readonly follow: Runner["follow"];
}

/** Listens when it resolves; rejects when port, certificate or spool can't be had. */
export async function startSmtpIn(settings: SmtpInSettings, deps: DaemonDeps): Promise<SmtpIn> {
  const { log, clock } = deps;
  const { hostname, lmtpPort: port, boxDoor } = settings;
  const door = boxDoor && doorContext(boxDoor);
  const identity = await ServerIdentity.load(settings.tls, { timing: clock, log });
  const directory = deps.directory ?? createDirectory(settings.directory, { now: clock.elapsed, log });
  const queue = await openQueue({ dir: settings.queueDir, worker: deps.queueWorker });
  log.info("queue.started", await queue.counts());
  const adopted = await adoptQueues(deps);
  const queues = [queue, ...adopted];
  const resolve = cacheRecipients((address) => directory.findRecipient(address), { now: clock.elapsed });
  const boxBack = (host: string): void => hasten(queues, host, deps);
  const onBack = (host: string): void => {
    boxBack(host);
    deps.onBoxBack?.(host);
  };
  const connections = new ConnectionPool(KEPT);
  const findBox = createBoxFinder(resolve, settings);
  const replies = collectReplies(settings, { ...deps, door, findBox, queue });
  const boxes = createBoxLine({
    ...{ ...deps, hostname, port, door, connections, onBack, replies },
    timeouts: TIMEOUTS,
  });
  const couriers = { ...deps, findBox, boxes, connections };
  const runner = startDelivery(settings, { ...couriers, queue });
  const runners = [runner, ...adopted.map((each) => startDelivery(settings, { ...couriers, queue: each }))];
  const closeQueues = async (): Promise<void> => {
    await Promise.all(runners.map((each) => each.stop()));
    // At the same time: a box that does not answer QUIT must not keep a queue open until the process is killed.
    await Promise.all([connections.close(), ...queues.map((each) => each.close())]);
  };
  const room = new Room(roomFor(settings.limits.messageBytes));
  const parts = { ...couriers, identity, queue, room, follow: runner.follow.bind(runner) };
  const listener = await listen(settings, parts).catch(async (error: unknown) => {
    await closeQueues();
    throw error;
  });
  const unwatch = identity.watch();
  return {
    port: listener.port,
    queue,
    room,
    failed: Promise.race(queues.map(({ failed }) => failed)),
    boxBack,
    queues,
    close: async () => {
      unwatch();
      // The queues close last: a message that is being taken in may still become durable.
      await Promise.all([listener.close(), replies?.close(), ...runners.map((each) => each.stop())]);
      await closeQueues();
      await directory.close();
    },
  };
}

/** What people's scripts answer leaves through smtp-out, which signs it. */
function collectReplies(
  { boxReplyPort: port }: SmtpInSettings,
  parts: DaemonDeps & Pick<Couriers, "queue" | "findBox"> & { readonly door: SecureContext | undefined },
): BoxReplies | undefined {
  const { findBox, queue } = parts;
  return createBoxReplies({
    ...parts,
    port,
    owns: async (host, text) => {
      const address = parseAddress(text, { utf8: true });
      const found = address && (await findBox(address));
      return found?.kind === "box" && found.box.host === host;
    },
    destination: () => NOTIFICATION_DESTINATION,
    enqueue: (item) => queue.enqueue(item),
  });
}

/** Opens what is to be adopted; what turns out to be empty is removed. */
async function adoptQueues({ adopt = [], queueWorker, log }: DaemonDeps): Promise<Queue[]> {
  const queues: Queue[] = [];
  for (const dir of adopt) {
    const queue = await openQueue({ dir, worker: queueWorker });
    const counts = await queue.counts();
    if (counts.items + counts.unreadable > 0) {
      log.info("queue.started", { ...counts, adopted: dir });
      queues.push(queue);
      continue;
    }
    await queue.close();
    removeShard(dir);
  }
  return queues;
}

function hasten(queues: readonly Queue[], host: string, { clock, log }: DaemonDeps): void {
  for (const queue of queues) {
    const hastened = queue.hasten({ destination: boxDestination(host), at: clock.now() });
    hastened.catch((error: unknown) => log.error("queue.error", { error }));
  }
}

function listen(settings: SmtpInSettings, parts: Parts): Promise<MailListener> {
  const { hostname, domains, limits } = settings;
  const { log, graceMs } = parts;
  const spool = createSpool(
    { ...parts, hostname, domains },
    createNotifier({ ...parts, hostname, domains }, settings),
  );
  const drop = createMailDrop({ ...parts, spool, tandem: createTandem(parts) });
  const query = parts.query ?? (settings.resolvers.length > 0 ? createQuery(settings.resolvers) : undefined);
  const asking = query === undefined ? {} : { query };
  const counts = parts.counts ?? countClients(settings, parts.clock.elapsed);
  const clients = createClients(settings.clients, { counts, log, ...asking });
  const senders = senderCheck(settings, { ...parts, ...asking });
  return serve({
    listen: { port: settings.port, shared: parts.sharedPort ?? false },
    tls: parts.identity,
    session: sessionOptions(settings),
    limits,
    handler: createHandler({
      ...parts,
      ...{ hostname, domains },
      drop,
      clients,
      ...senders,
      ...bounces(settings, parts),
    }),
    log,
    ...clients.serve,
    ...(graceMs === undefined ? {} : { graceMs }),
  });
}

function bounces(
  { domains, srsSecret: secret }: SmtpInSettings,
  { clock }: Parts,
): Pick<HandlerDeps, "returnPath"> {
  if (secret === undefined) return {};
  return { returnPath: (address) => restore(address, { domains, secret }, clock.now()) };
}

function senderCheck({ hostname, domains, senders }: SmtpInSettings, { clock, log, query }: Parts) {
  if (query === undefined) return {};
  const check = createSenderCheck({ hostname, domains, query, timeoutMs: senders.timeoutMs, clock, log });
  return { senders: { check, rules: senders } };
}

function startDelivery(settings: SmtpInSettings, parts: Couriers): Runner {
  const { hostname, domains, relay, retry } = settings;
  const { log, connections } = parts;
  return startRunner({
    ...parts,
    retry,
    restsUntil: (destination) => {
      const route = parseDestination(destination);
      return route?.kind === "box" ? parts.boxes.restsUntil(route.host) : 0;
    },
    deliver: createDeliver({
      ...parts,
      relay: createRelayCourier({ hostname, relay, connections, log, timeouts: TIMEOUTS }),
    }),
    composeDsn: createNotifier({ ...parts, hostname, domains }, settings),
  });
}
