/** A daemon as the processes that its image runs: the bundle, a settings file, log lines. */
import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

export type LogLine = Readonly<Record<string, unknown>>;

export interface Daemon {
  readonly child: ChildProcess;
  /** What it logged so far. */
  readonly lines: LogLine[];
  readonly ended: Promise<number | null>;
  /** SIGKILL for all its processes at once, as when a container dies. */
  kill(): Promise<void>;
}

const OPENSSL = fileURLToPath(new URL("../../mailserver/images/node/openssl.cnf", import.meta.url));

/** Starts the bundle with that settings file, from a folder without packages; `further`: of its environment. */
export function spawnDaemon(
  bundle: string,
  settingsFile: string,
  cwd: string,
  further: Readonly<Record<string, string>> = {},
): Daemon {
  const args = [`--openssl-config=${OPENSSL}`, "--disable-warning=ExperimentalWarning", bundle, settingsFile];
  // A group of its own, so that the whole of it can be killed.
  // Empty at its start, as in a container.
  clear(memoryOf(settingsFile));
  used.add(memoryOf(settingsFile));
  const env = { ...environment(settingsFile), ...further };
  const child = spawn(process.execPath, args, {
    cwd,
    env,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines: LogLine[] = [];
  const unread: Buffer[] = [];
  // Read when somebody asks: a benchmark must not pay for lines that nobody looks at.
  const readLines = (): LogLine[] => {
    const bytes = Buffer.concat(unread.splice(0));
    const end = bytes.lastIndexOf(10) + 1;
    unread.push(bytes.subarray(end));
    const parts = bytes.toString("utf8", 0, end).split("\n").slice(0, -1);
    for (const part of parts) lines.push(JSON.parse(part));
    return lines;
  };
  child.stdout.on("data", (chunk: Buffer) => {
    unread.push(chunk);
    child.emit("logged");
  });
  child.stderr.on("data", (chunk) => readLines().push({ event: "stderr", text: String(chunk) }));
  // Not "exit": the last lines may still be on their way.
  const ended = once(child, "close").then(([code]): number | null => code);
  return {
    child,
    get lines() {
      return readLines();
    },
    ended,
    kill: async () => {
      killGroup(child);
      await ended;
    },
  };
}

const clear = (folder: string): void => rmSync(folder, { recursive: true, force: true });
/** Folders in memory, which outlive their daemons: who asks a daemon that is gone still finds its traces. */
const used = new Set<string>();
process.once("exit", () => used.forEach(clear));

/** What the daemon's own container would have as /tmp: in memory where that can be had, and shared with no other daemon. */
function memoryOf(settingsFile: string): string {
  const name = createHash("sha256").update(settingsFile).digest("hex").slice(0, 16);
  return existsSync("/dev/shm") ? `/dev/shm/semail-${name}` : `${settingsFile}.tmp`;
}

function environment(settingsFile: string): NodeJS.ProcessEnv {
  const tmp = memoryOf(settingsFile);
  mkdirSync(tmp, { recursive: true });
  return { ...process.env, SEMAIL_SETTINGS: settingsFile, TMPDIR: tmp };
}

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** The queue command as it is run in the container of the daemon with that settings file. */
export function runQueueCommand(bundle: string, settingsFile: string, args: readonly string[]): Promise<Ran> {
  return new Promise((resolve) => {
    const command = ["--disable-warning=ExperimentalWarning", bundle, "queue", ...args];
    const child = execFile(process.execPath, command, { env: environment(settingsFile) }, (_, out, err) => {
      resolve({ code: child.exitCode ?? -1, out, err });
    });
  });
}

/** SIGKILL for a daemon's whole group; nothing when it is gone. */
export function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Waits until it has logged the event. */
export const logged = (daemon: Daemon, event: string): Promise<void> => loggedTimes(daemon, event, 1);

/** Waits until it has logged the event so many times. */
export async function loggedTimes(daemon: Daemon, event: string, times: number): Promise<void> {
  const { child } = daemon;
  while (daemon.lines.filter((line) => line.event === event).length < times) {
    if (child.exitCode !== null || child.signalCode !== null) {
      assert.fail(`ended before ${event}: ${JSON.stringify(daemon.lines)}`);
    }
    const over = new AbortController();
    const { signal } = over;
    await Promise.race([once(child, "logged", { signal }), once(child, "exit", { signal })]);
    over.abort();
  }
}
