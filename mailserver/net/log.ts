/** Logs of the daemons: JSON lines with stable event codes; addresses yes, content and credentials never. */
import { type DestinationStream, pino } from "pino";
import type { LogEvent } from "../log-events.ts";

/** Facts of an event. Put nothing here that a client sent as a secret; known secret names are redacted anyway. */
export type LogFields = Readonly<Record<string, unknown>>;

/** A log: `log.info("smtp.session.open", {session, client})`. */
export interface Log {
  debug(event: LogEvent, fields?: LogFields): void;
  info(event: LogEvent, fields?: LogFields): void;
  warn(event: LogEvent, fields?: LogFields): void;
  error(event: LogEvent, fields?: LogFields): void;
}

const SECRET = [
  "password",
  "pass",
  "secret",
  "key",
  "token",
  "privateKey",
  "authorization",
  "body",
  "content",
];
const PATHS = SECRET.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]);

/** Error objects as facts: name, message, code and cause, without the stack in ordinary levels. */
function errorFields(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const code = "code" in error ? { code: error.code } : {};
  const cause = error.cause === undefined ? {} : { cause: errorFields(error.cause) };
  return { name: error.name, message: error.message, ...code, ...cause };
}

/** Makes the daemon's log; `destination` defaults to standard output. */
export function createLog(options: {
  readonly daemon: string;
  /** Which process of the daemon speaks. */
  readonly worker?: number;
  readonly level?: "debug" | "info" | "warn" | "error";
  readonly destination?: DestinationStream;
}): Log {
  const logger = pino(
    {
      level: options.level ?? "info",
      base: { daemon: options.daemon, ...(options.worker === undefined ? {} : { worker: options.worker }) },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: PATHS, censor: "[redacted]" },
      serializers: { error: errorFields },
    },
    ...(options.destination === undefined ? [] : [options.destination]),
  );
  const at =
    (level: "debug" | "info" | "warn" | "error") =>
    (event: LogEvent, fields: LogFields = {}): void =>
      logger[level]({ event, ...fields });
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

/** A log that says nothing, for tests. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };
