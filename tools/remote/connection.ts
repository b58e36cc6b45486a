/** One connection to the host, shared by all who work on it at a time, and closed by itself after the last of them. */
import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { Fault } from "../bootstrap/fault.ts";
import { withLock } from "../bootstrap/lock.mjs";
import {
  ALIAS,
  CONFIG,
  controlName,
  type HostAccess,
  KNOWN_HOSTS,
  nameOf,
  portForward,
  SOCKET,
  STAYS_SECONDS,
  socketForward,
  sshFiles,
} from "./access.ts";
import { explainSsh } from "./ssh-faults.ts";

export interface ConnectOptions {
  /** A folder of this stack's own: ssh's files are kept there. */
  readonly folder: string;
  /** Ports of the host's loopback that are wanted on this machine's, too. */
  readonly ports: readonly number[];
  readonly signal?: AbortSignal | undefined;
}

export interface RunResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A host that is connected for as long as this process lives, or until `close`. */
export interface Connection {
  readonly access: HostAccess;
  /** Where the host's Docker engine answers on this machine: a path, relative to the working directory if that is shorter. */
  readonly socket: string;
  /** Runs a POSIX shell script on the host, to its end; it is read from its standard input. */
  run(script: string, options?: { readonly sudo?: boolean }): Promise<RunResult>;
  close(): void;
}

/** The engine's socket on the host. */
const ENGINE = "/var/run/docker.sock";
const READY = "ready\n";
/** ssh limits the time up to the exchange of keys; a login that hangs after that, in PAM or a shell, it waits for. */
export const LOGIN_MS = 60_000;
/** The first that a script says: whoever waits for it knows that the login is over, and how long it takes is its own. */
const BEGUN = "semail: the script begins\n";

/** Connects, or joins the connection that is there. Throws a Fault that says what to do. */
export async function connect(access: HostAccess, options: ConnectOptions): Promise<Connection> {
  const { folder, ports, signal } = options;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const control = controlName(access);
  const forwards = [...socketForward(ENGINE), ...ports.flatMap(portForward)];
  const lease = await withLock(join(folder, "lock"), signal ? { signal } : {}, async () => {
    await othersGone(folder, control, signal);
    for (const [name, content] of Object.entries(sshFiles(access, control)))
      writeFileSync(join(folder, name), content, { mode: 0o600 });
    return openLease(access, folder, forwards, signal);
  });
  const path = join(folder, SOCKET);
  const short = relative(process.cwd(), path);
  return {
    access,
    socket: short.length < path.length ? short : path,
    run: (script, { sudo = false } = {}) =>
      runScript({ access, folder, signal }, script, sudo ? "exec sudo -n sh -s" : "exec sh -s"),
    close: () => lease.kill(),
  };
}

/** The host key by which the last connection from `folder` went; undefined when there was none yet. */
export function lastHostKey(folder: string): string | undefined {
  const path = join(folder, KNOWN_HOSTS);
  const text = existsSync(path) ? readFileSync(path, "utf8") : "";
  return text.startsWith(`${ALIAS} `) ? text.slice(ALIAS.length).trim() : undefined;
}

/** Logs in by a connection of its own, to see that one can. Throws a Fault. */
export async function logIn(access: HostAccess, folder: string): Promise<void> {
  const child = ssh(folder, ["-o", "ControlPath=none", "-o", "ControlMaster=no", ALIAS, "exec true"]);
  child.stdin.on("error", () => {});
  child.stdin.end();
  const closed = once(child, "close");
  const [said, [code]] = await inTime(Promise.all([text(child.stderr), closed]), child, access);
  if (code === 0) return;
  const { cause, remedy } = explainSsh(access, said);
  throw new Fault(cause, remedy);
}

/** Waits for `work` for as long as a login may take; then ssh is ended. */
async function inTime<T>(work: Promise<T>, child: ChildProcess, access: HostAccess): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(
      new Fault(
        `${nameOf(access)} answers, but the login there has not come to its end after ${LOGIN_MS / 1_000} s.`,
        `See what it waits for: \`ssh -v -p ${access.port} ${access.user}@${access.address} true\`, and the log of sshd and PAM there.`,
      ),
    );
    child.kill();
  }, LOGIN_MS);
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** In a process group of its own: a terminal's Ctrl-C is for the command, which may still need the connection to finish. */
const ssh = (folder: string, args: readonly string[]): ChildProcessWithoutNullStreams =>
  spawn("ssh", ["-F", CONFIG, "-T", ...args], { cwd: folder, stdio: "pipe", detached: true });

/** Waits for the end of connections by another login, which hold the ports; those in use are left alone. */
async function othersGone(folder: string, control: string, signal: AbortSignal | undefined): Promise<void> {
  const deadline = Date.now() + (STAYS_SECONDS + 5) * 1_000;
  for (const name of readdirSync(folder).filter((file) => file.startsWith("c-") && file !== control)) {
    const check = spawn("ssh", ["-S", name, "-O", "check", ALIAS], { cwd: folder, stdio: "ignore" });
    const [code] = await once(check, "close");
    if (code !== 0) rmSync(join(folder, name), { force: true });
    // Not asked again: that would be another use of it.
    while (existsSync(join(folder, name)) && Date.now() < deadline)
      await sleep(300, undefined, signal ? { signal } : {});
  }
}

/** A session that lasts until this process ends, and with it the connection: its end closes its standard input. */
async function openLease(
  access: HostAccess,
  folder: string,
  forwards: readonly string[],
  signal: AbortSignal | undefined,
): Promise<ChildProcessWithoutNullStreams> {
  const child = ssh(folder, [...forwards, ALIAS, "exec cat"]);
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-4_000);
  });
  child.stdin.on("error", () => {}); // The exit says more than a broken pipe.
  child.stdin.write(READY);
  const missing = once(child, "error").then(([error]) => {
    throw new Fault(
      `ssh can't be started: ${(error as Error).message}.`,
      "Install OpenSSH's client (`apt-get install openssh-client`), then run this again.",
    );
  });
  const ended = once(child, "close").then(() => {
    const { cause, remedy } = explainSsh(access, said);
    throw new Fault(cause, remedy);
  });
  const heard = once(child.stdout, "data", signal ? { signal } : {});
  try {
    await inTime(Promise.race([heard, missing, ended]), child, access);
  } catch (error) {
    child.kill();
    throw error;
  } finally {
    heard.catch(() => {});
    missing.catch(() => {});
    ended.catch(() => {});
  }
  // It must not keep this process alive.
  for (const part of [child, child.stdin, child.stdout, child.stderr])
    if ("unref" in part && typeof part.unref === "function") part.unref();
  return child;
}

interface Way {
  readonly access: HostAccess;
  readonly folder: string;
  readonly signal: AbortSignal | undefined;
}

async function runScript({ access, folder, signal }: Way, script: string, shell: string): Promise<RunResult> {
  const child = ssh(folder, [ALIAS, shell]);
  const stop = (): void => void child.kill();
  signal?.addEventListener("abort", stop, { once: true });
  child.stdin.on("error", () => {});
  child.stdin.end(`printf '${BEGUN.replace("\n", "\\n")}'\n${script}`);
  const closed = once(child, "close");
  const begun = Promise.withResolvers<void>();
  let said = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    said += chunk;
    if (said.includes(BEGUN)) begun.resolve();
  });
  const errors = text(child.stderr);
  try {
    await inTime(Promise.race([begun.promise, closed]), child, access);
    const [stderr, [code]] = await Promise.all([errors, closed]);
    signal?.throwIfAborted();
    const stdout = said.includes(BEGUN) ? said.slice(said.indexOf(BEGUN) + BEGUN.length) : said;
    return { code: typeof code === "number" ? code : 255, stdout, stderr };
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}
