/** Logs of the daemons: JSON lines with stable event codes; addresses yes, content and credentials never. */
import { type DestinationStream, pino } from "pino";
import type { LogEvent } from "../log-events.ts";
import { oncePerTurn } from "./once-per-turn.ts";

/** Facts of an event. Put nothing here that a client sent as a secret; known secret names are redacted anyway. */
export type LogFields = Readonly<Record<string, unknown>>;

/** A log: `log.info("smtp.session.open", {session, client})`. */
export interface Log {
  debug(event: LogEvent, fields?: LogFields): void;
  info(event: LogEvent, fields?: LogFields): void;
  warn(event: LogEvent, fields?: LogFields): void;
  error(event: LogEvent, fields?: LogFields): void;
}

const SECRETS: ReadonlySet<string> = new Set([
  "password",
  "pass",
  "secret",
  "key",
  "token",
  "privateKey",
  "authorization",
  "body",
  "content",
]);
/** Facts are flat or nearly so; what is nested deeper has no name that this looks for. */
const DEPTH = 4;
/** Lines beyond this are written before the turn of the event loop is over. */
const BATCH_BYTES = 16_000;

/** The value with what goes by a secret name taken out; itself where there is nothing to take out. */
function withoutSecrets(value: unknown, depth = DEPTH): unknown {
  if (depth === 0 || typeof value !== "object" || value === null || value instanceof Error) return value;
  let copy: Record<string, unknown> | undefined;
  for (const [name, part] of Object.entries(value)) {
    const kept = SECRETS.has(name) ? "[redacted]" : withoutSecrets(part, depth - 1);
    if (kept !== part) {
      copy ??= { ...value };
      copy[name] = kept;
    }
  }
  if (copy === undefined) return value;
  return Array.isArray(value) ? Object.values(copy) : copy;
}

/**
 * Standard output, written once for each turn of the event loop: a line of its own for each event costs a busy daemon a
 * tenth of its time. What is logged before the process ends, by itself or by an error, is written.
 */
function lineWriter(): DestinationStream {
  const sink = pino.destination({ dest: 1, sync: true, minLength: BATCH_BYTES });
  const flushLater = oncePerTurn(() => sink.flush());
  // Nobody reads the log any more: the mail goes on.
  sink.on("error", () => {});
  process.on("exit", () => {
    try {
      sink.flushSync();
    } catch {}
  });
  return {
    write: (line) => {
      sink.write(line);
      flushLater();
    },
  };
}

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
      formatters: {
        level: (label) => ({ level: label }),
        log: (fields) => withoutSecrets(fields) as Record<string, unknown>,
      },
      serializers: { error: errorFields },
    },
    options.destination ?? lineWriter(),
  );
  const at =
    (level: "debug" | "info" | "warn" | "error") =>
    (event: LogEvent, fields: LogFields = {}): void =>
      logger[level]({ event, ...fields });
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

/** A log that says nothing, for tests. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };
