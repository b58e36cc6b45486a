/** restic, which encrypts the snapshots and keeps each piece of mail once: how it is called and what it says. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import type { BackupSettings } from "../contract.ts";
import { BackupFault } from "./fault.ts";

export interface Call {
  readonly args: readonly string[];
  /** Each line of its standard output. */
  readonly onLine?: (line: string) => void;
  /** Gets its standard output instead. */
  readonly into?: Writable;
  /** Its standard input. */
  readonly from?: Uint8Array;
  readonly timeoutMs?: number;
  /** Exit codes that are an answer. */
  readonly accept?: readonly number[];
}

export interface Restic {
  /** Runs one command to its end; answers its exit code. Any other than 0 or `accept` is a fault with its remedy. */
  run(call: Call): Promise<number>;
}

/** Exit codes, from restic 0.17 on. */
export const EXIT = { incomplete: 3, absent: 10, locked: 11, password: 12 } as const;

/** What a failed restic means to who runs the backup. Pure. */
export function faultOf(code: number | null, said: string, repository: string): BackupFault {
  if (code === EXIT.password)
    return new BackupFault(
      `The password does not open the repository ${repository}.`,
      "It was made with another one, as by an earlier stack. Give that one:\n" +
        "`npm run secret -- backupPassword`, then `npm run up`.",
    );
  if (code === EXIT.absent)
    return new BackupFault(
      `There is no repository at ${repository} yet.`,
      "`npm run backup -- save --all` makes it with the first snapshot.",
    );
  if (code === EXIT.locked)
    return new BackupFault(
      `Another backup works on ${repository}.`,
      "Try again when it has ended. A lock that a killed one left is passed over after half an hour.",
    );
  return new BackupFault(
    `The repository ${repository} can't be used: ${code === null ? silenceOf(said) : reasonOf(said)}.`,
    "Check that it can be reached from this host, that its disk has room, and semail:backup with its keys.",
  );
}

/** Why it went on trying until its time was over, where it said so: a store that lets nobody in is asked again and again. */
function silenceOf(said: string): string {
  const tried = [...said.matchAll(/retrying after \S+: (.{1,300})/g)].at(-1)?.[1];
  return tried === undefined ? "no answer in time" : `no other answer in time than ${tried}`;
}

/** The first line of its last message. */
function reasonOf(said: string): string {
  const lines = said.split("\n").map((line) => {
    const parsed = Exit.safeParse(fromJson(line));
    return parsed.success ? parsed.data.message : line;
  });
  return (lines.filter((line) => line.trim() !== "").at(-1) ?? "it does not say why")
    .replace(/^Fatal: /, "")
    .split("\n", 1)
    .join()
    .slice(0, 300);
}

const Exit = z.object({ message: z.string() });

/** Undefined for what is no JSON. */
export function fromJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** restic on the repository of the settings; `passwordFile` holds its password. */
export function openRestic(
  settings: BackupSettings,
  options: { path: string | undefined; passwordFile: string; signal: AbortSignal },
): Restic {
  const env = {
    PATH: options.path,
    RESTIC_REPOSITORY: settings.repository,
    RESTIC_PASSWORD_FILE: options.passwordFile,
    ...(settings.s3
      ? { AWS_ACCESS_KEY_ID: settings.s3.keyId, AWS_SECRET_ACCESS_KEY: settings.s3.secretKey }
      : {}),
  };
  return {
    async run({ args, onLine, into, from, timeoutMs, accept = [] }) {
      const limits = timeoutMs === undefined ? [] : [AbortSignal.timeout(timeoutMs)];
      const child = spawn("restic", ["--no-cache", "--retry-lock", "1m", ...args], {
        env,
        stdio: ["pipe", "pipe", "pipe"],
        signal: AbortSignal.any([options.signal, ...limits]),
      });
      child.stdin.on("error", () => {}); // Its exit says more.
      child.stdin.end(from);
      const said = collect(child.stderr);
      const read = into ? pipeline(child.stdout, into, { end: false }) : eachLine(child.stdout, onLine);
      const ended = new Promise<number | null>((resolve) => {
        child.once("error", () => resolve(null));
        child.once("close", resolve);
      });
      const [code] = await Promise.all([ended, read]);
      options.signal.throwIfAborted();
      // restic ends by itself when it is told to, and with a code of its own.
      if (limits.some(({ aborted }) => aborted)) throw faultOf(null, await said, settings.repository);
      if (code === 0 || accept.includes(code ?? -1)) return code ?? 0;
      throw faultOf(code, await said, settings.repository);
    },
  };
}

async function eachLine(stream: Readable, onLine: ((line: string) => void) | undefined): Promise<void> {
  for await (const line of createInterface({ input: stream })) onLine?.(line);
}

/** The end of what it wrote. */
async function collect(stream: Readable): Promise<string> {
  let text = "";
  for await (const chunk of stream) text = (text + String(chunk)).slice(-4_000);
  return text;
}
