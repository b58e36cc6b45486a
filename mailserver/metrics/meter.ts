/**
 * The metrics of one process. What happens is logged under stable codes anyway, so it is counted where it is logged:
 * nothing is told to two places that could disagree.
 */
import type { StatsFs } from "node:fs";
import { statfs } from "node:fs/promises";
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { LogEvent } from "../log-events.ts";
import type { Log, LogFields } from "../net/log.ts";
import { BUCKETS, COUNTERS, GAUGES, TIMES } from "./catalog.ts";

/** What the queue says of itself. */
export interface QueueCensus {
  readonly items: number;
  readonly deferred: number;
  readonly held: number;
  readonly unreadable: number;
  /** When the oldest was taken, in milliseconds since 1970. */
  readonly oldest?: number | undefined;
}

/** What a room says of itself. */
interface RoomCensus {
  readonly held: number;
  readonly sizes: { readonly all: number };
}

export interface Meter {
  readonly registry: Registry;
  /** `log`, with everything that it is told counted. */
  metered(log: Log): Log;
  /** Asks the queues anew whenever the metrics are read. */
  watchQueue(census: () => Promise<QueueCensus>, now: () => number): void;
  /** Tells of the room for messages that are being received whenever the metrics are read. */
  watchRoom(room: RoomCensus): void;
  /** Looks at the file system of that folder whenever the metrics are read. */
  watchDisk(folder: string): void;
  /** Tells of the worker processes whenever the metrics are read. */
  watchWorkers(state: () => { readonly serving: number }): void;
}

type Counters = { readonly [Name in keyof typeof COUNTERS]: Counter };
type Times = { readonly [Name in keyof typeof TIMES]: Histogram };

/** `worker`: the process is the worker of that number. */
export function createMeter(worker?: number): Meter {
  const registry = new Registry();
  // Apart for each, or a worker that was replaced and counts from nothing would pull down the sum, which looks as if
  // all had begun anew.
  if (worker !== undefined) registry.setDefaultLabels({ worker: String(worker) });
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const counters = mapValues(COUNTERS, (name, { help, labels }) => {
    return new Counter({ name, help, labelNames: [...labels], registers });
  }) as Counters;
  const times = mapValues(TIMES, (name, { help, labels }) => {
    return new Histogram({ name, help, labelNames: [...labels], registers, buckets: BUCKETS });
  }) as Times;
  const gauge = (name: keyof typeof GAUGES, collect?: (this: Gauge) => void | Promise<void>): Gauge =>
    new Gauge({ name, ...described(name), registers, ...(collect && { collect }) });
  const sessions = gauge("semail_sessions");
  const expires = gauge("semail_certificate_expires_seconds");
  const certificate = lazily(() => ({
    issued: gauge("semail_certificate_issued_seconds"),
    failed: gauge("semail_certificate_failed_seconds"),
  }));
  const backup = lazily(() => ({
    saved: gauge("semail_backup_saved_seconds"),
    unsaved: gauge("semail_backup_unsaved"),
  }));
  const count = (event: LogEvent, fields: LogFields = {}): void => {
    counters.semail_events_total.inc({ event });
    RULES[event]?.({ counters, times, sessions, expires, certificate, backup }, fields);
  };
  return {
    registry,
    metered: (log) => {
      const at =
        (level: keyof Log) =>
        (event: LogEvent, fields?: LogFields): void => {
          count(event, fields);
          log[level](event, fields);
        };
      return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
    },
    watchQueue: (census, now) => {
      // One look serves all of them, so that they fit together.
      let last: Promise<QueueCensus | undefined> = Promise.resolve(undefined);
      const watched = (name: keyof typeof GAUGES, value: (found: QueueCensus) => number): void => {
        gauge(name, async function () {
          const found = await last;
          show(this, found && value(found));
        });
      };
      gauge("semail_queue_items", async function () {
        last = census().catch(() => undefined);
        show(this, (await last)?.items);
      });
      watched("semail_queue_deferred", ({ deferred }) => deferred);
      watched("semail_queue_held", ({ held }) => held);
      watched("semail_queue_age_seconds", ({ oldest }) =>
        oldest === undefined ? 0 : Math.max(now() - oldest, 0) / 1_000,
      );
      watched("semail_queue_unreadable", ({ unreadable }) => unreadable);
    },
    watchRoom: (room) => {
      gauge("semail_room_bytes").set(room.sizes.all);
      gauge("semail_room_held_bytes", function () {
        this.set(room.held);
      });
    },
    watchDisk: (folder) => {
      const watched = (name: keyof typeof GAUGES, value: (disk: StatsFs) => number): void => {
        gauge(name, async function () {
          const disk = await statfs(folder).catch(() => undefined);
          show(this, disk && value(disk));
        });
      };
      watched("semail_disk_free_bytes", ({ bavail, bsize }) => bavail * bsize);
      watched("semail_disk_bytes", ({ blocks, bsize }) => blocks * bsize);
    },
    watchWorkers: (state) => {
      gauge("semail_workers_serving", function () {
        this.set(state().serving);
      });
    },
  };
}

/** What is not known is no line of the page, which has all the others. */
function show(gauge: Gauge, value: number | undefined): void {
  if (value === undefined) gauge.remove();
  else gauge.set(value);
}

interface Instruments {
  readonly counters: Counters;
  readonly times: Times;
  readonly sessions: Gauge;
  readonly expires: Gauge;
  /** What only the certifier knows. */
  readonly certificate: () => { readonly issued: Gauge; readonly failed: Gauge };
  /** What only the backup's timer knows. */
  readonly backup: () => { readonly saved: Gauge; readonly unsaved: Gauge };
}

type Rule = (instruments: Instruments, fields: LogFields) => void;

const seconds = ({ ms }: LogFields): number => Number(ms) / 1_000;
const ended =
  (outcome: "accepted" | "refused"): Rule =>
  ({ counters, times }, fields) => {
    times.semail_message_seconds.observe({ outcome }, seconds(fields));
    counters.semail_recipients_total.inc({ outcome }, length(fields.recipients));
    if (outcome === "accepted") counters.semail_message_bytes_total.inc(Number(fields.bytes));
  };
const delivered =
  (outcome: "taken" | "refused"): Rule =>
  ({ times }, fields) =>
    times.semail_delivery_seconds.observe({ outcome }, seconds(fields));

const serves: Rule = ({ expires }, { certificateFile, notAfter }) =>
  expires.set({ file: String(certificateFile) }, Date.parse(String(notAfter)) / 1_000);

/** Made when there is something to say: the pages of the other daemons have none of these. */
function lazily<Made>(make: () => Made): () => Made {
  let made: Made | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

const since1970 = (time: unknown): number => (time === undefined ? 0 : Date.parse(String(time)) / 1_000);

/** The certifier's times: what is served, since when, and whether the last attempt failed. */
const certified: Rule = (instruments, fields) => {
  serves(instruments, fields);
  const { issued, failed } = instruments.certificate();
  if (fields.issuedAt !== undefined) issued.set(since1970(fields.issuedAt));
  failed.set(since1970(fields.failedAt));
};

/** What an event says beyond its having happened. */
const RULES: Readonly<Partial<Record<LogEvent, Rule>>> = {
  "smtp.session.open": ({ sessions }) => sessions.inc(),
  "smtp.session.close": ({ sessions }) => sessions.dec(),
  "smtp.command.refused": ({ counters }, { code, enhanced }) =>
    counters.semail_refusals_total.inc({ code: String(code), status: String(enhanced ?? "") }),
  "smtp.message.accepted": ended("accepted"),
  "smtp.message.refused": ended("refused"),
  // From nothing: a rise from no value at all is none for whoever asks for the increase.
  "worker.started": ({ counters }, { worker }) =>
    counters.semail_worker_restarts_total.inc({ worker: String(worker) }, 0),
  "worker.ended": ({ counters }, { worker }) =>
    counters.semail_worker_restarts_total.inc({ worker: String(worker) }),
  "net.tls.loaded": serves,
  "net.tls.reloaded": serves,
  "certificate.own": serves,
  "certificate.kept": certified,
  "certificate.issued": certified,
  "certificate.failed": ({ certificate }, { failedAt }) => certificate().failed.set(since1970(failedAt)),
  "backup.waiting": ({ backup }, { savedAt, failed }) => {
    backup().saved.set(since1970(savedAt));
    backup().unsaved.set(length(failed));
  },
  "lmtp.delivered": delivered("taken"),
  "lmtp.refused": delivered("refused"),
  "directory.asked": ({ times }, fields) =>
    times.semail_directory_seconds.observe(
      { operation: String(fields.operation), outcome: String(fields.outcome) },
      seconds(fields),
    ),
};

const length = (list: unknown): number => (Array.isArray(list) ? list.length : 0);

function described(name: keyof typeof GAUGES): { help: string; labelNames: string[] } {
  const { help, labels } = GAUGES[name];
  return { help, labelNames: [...labels] };
}

function mapValues<Name extends string, From, To>(
  record: Readonly<Record<Name, From>>,
  change: (name: Name, value: From) => To,
): Record<Name, To> {
  const entries = Object.entries(record) as [Name, From][];
  return Object.fromEntries(entries.map(([name, value]) => [name, change(name, value)])) as Record<Name, To>;
}
