/**
 * The metrics of one process. What happens is logged under stable codes anyway, so it is counted where it is logged:
 * nothing is told to two places that could disagree.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { LogEvent } from "../log-events.ts";
import type { Log, LogFields } from "../net/log.ts";
import { BUCKETS, COUNTERS, GAUGES, TIMES } from "./catalog.ts";

/** What the queue says of itself. */
export interface QueueCounts {
  readonly items: number;
  readonly unreadable: number;
}

export interface Meter {
  readonly registry: Registry;
  /** `log`, with everything that it is told counted. */
  metered(log: Log): Log;
  /** Asks the queues anew whenever the metrics are read. */
  watchQueue(counts: () => Promise<QueueCounts>): void;
  /** Tells of the worker processes whenever the metrics are read. */
  watchWorkers(state: () => { readonly serving: number; readonly restarts: number }): void;
}

type Counters = { readonly [Name in keyof typeof COUNTERS]: Counter };
type Times = { readonly [Name in keyof typeof TIMES]: Histogram };

export function createMeter(): Meter {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const counters = mapValues(COUNTERS, (name, { help, labels }) => {
    return new Counter({ name, help, labelNames: [...labels], registers });
  }) as Counters;
  const times = mapValues(TIMES, (name, { help, labels }) => {
    return new Histogram({ name, help, labelNames: [...labels], registers, buckets: BUCKETS });
  }) as Times;
  const gauge = (name: keyof typeof GAUGES, collect?: (this: Gauge) => void | Promise<void>): Gauge =>
    new Gauge({ name, help: GAUGES[name].help, registers, ...(collect && { collect }) });
  const sessions = gauge("semail_sessions");
  const count = (event: LogEvent, fields: LogFields = {}): void => {
    counters.semail_events_total.inc({ event });
    RULES[event]?.({ counters, times, sessions }, fields);
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
    watchQueue: (counts) => {
      gauge("semail_queue_items", async function () {
        this.set((await counts()).items);
      });
      gauge("semail_queue_unreadable", async function () {
        this.set((await counts()).unreadable);
      });
    },
    watchWorkers: (state) => {
      gauge("semail_workers_serving", function () {
        this.set(state().serving);
      });
      gauge("semail_worker_restarts", function () {
        this.set(state().restarts);
      });
    },
  };
}

interface Instruments {
  readonly counters: Counters;
  readonly times: Times;
  readonly sessions: Gauge;
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

/** What an event says beyond its having happened. */
const RULES: Readonly<Partial<Record<LogEvent, Rule>>> = {
  "smtp.session.open": ({ sessions }) => sessions.inc(),
  "smtp.session.close": ({ sessions }) => sessions.dec(),
  "smtp.command.refused": ({ counters }, { code, enhanced }) =>
    counters.semail_refusals_total.inc({ code: String(code), status: String(enhanced ?? "") }),
  "smtp.message.accepted": ended("accepted"),
  "smtp.message.refused": ended("refused"),
  "lmtp.delivered": delivered("taken"),
  "lmtp.refused": delivered("refused"),
};

const length = (list: unknown): number => (Array.isArray(list) ? list.length : 0);

function mapValues<Name extends string, From, To>(
  record: Readonly<Record<Name, From>>,
  change: (name: Name, value: From) => To,
): Record<Name, To> {
  const entries = Object.entries(record) as [Name, From][];
  return Object.fromEntries(entries.map(([name, value]) => [name, change(name, value)])) as Record<Name, To>;
}
