import { execa } from "execa";
import type { Context, Env } from "./context.ts";
import { Fault, tail } from "./fault.ts";

/** A program to run to its end. */
export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  /** Added to the context's environment. */
  readonly env?: Env;
  /** Show the output as it comes instead of keeping it for the failure message. */
  readonly show?: boolean;
  readonly timeoutMs?: number;
}

/** How it ended; `output` is stdout and stderr together, empty when it was shown. */
export interface Result {
  readonly ok: boolean;
  readonly code: number;
  readonly stdout: string;
  readonly output: string;
}

/** A benchmark or a test that is stopped takes down what it has on the engine. */
const CLEANING_MS = 30_000;

/** Runs a program; a failure is an answer, not an error. Stopping the run stops the program. */
export async function run(context: Context, command: Command): Promise<Result> {
  const { file, args, cwd = context.root, env = {}, show = false, timeoutMs } = command;
  const result = await execa(file, args, {
    cwd,
    env: { ...context.env, ...env },
    extendEnv: false,
    reject: false,
    all: true,
    stdin: "ignore",
    ...(show ? { stdout: "inherit", stderr: "inherit" } : {}),
    ...(timeoutMs === undefined ? {} : { timeout: timeoutMs }),
    cancelSignal: context.signal,
    forceKillAfterDelay: CLEANING_MS,
  });
  context.signal.throwIfAborted();
  const missing = result.code === "ENOENT" ? `${file}: no such program` : "";
  const output = `${result.all ?? ""}${missing}`;
  return { ok: !result.failed, code: result.exitCode ?? 1, stdout: String(result.stdout ?? ""), output };
}

/** Runs a program that has to succeed; the end of its output goes into the fault. */
export async function must(
  context: Context,
  command: Command,
  fault: { cause: string; remedy: string },
): Promise<string> {
  const result = await run(context, command);
  if (result.ok) return result.stdout;
  throw new Fault(fault.cause, [tail(result.output, 15), fault.remedy].filter(Boolean).join("\n"));
}

/** Says every minute that something long is still going on, until `work` ends. */
export async function withHeartbeat<T>(context: Context, what: string, work: () => Promise<T>): Promise<T> {
  let minutes = 0;
  const timer = setInterval(() => {
    minutes += 1;
    context.say.line(`  still ${what} (${minutes} min)`);
  }, 60_000);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}
