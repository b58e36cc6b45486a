/** Runs the programs of the machine that carries VMs, and says what to do when one fails. */
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { explain, MISSING } from "./remedies.ts";

/** How a program ended. */
export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The world of the libvirt resources. */
export interface Deps {
  /** Runs a program to its end; its failure is an answer. Code 127: there is none of that name. */
  run(file: string, args: readonly string[], limitMs?: number): Promise<Ended>;
  now(): number;
  sleep(ms: number): Promise<unknown>;
  say(text: string): void;
  /** Whether this process may do all on this machine. */
  isRoot(): boolean;
}

const DEFAULT_LIMIT_MS = 120_000;

export const system: Deps = {
  run: async (file, args, limitMs = DEFAULT_LIMIT_MS) => {
    const result = await execa(file, args, {
      reject: false,
      stdin: "ignore",
      timeout: limitMs,
      // Messages are read; and mke2fs lies in sbin, which a user's PATH may lack.
      env: { LC_ALL: "C", PATH: `${process.env.PATH ?? ""}:/usr/sbin:/sbin` },
    });
    if (result.code === "ENOENT") return { code: 127, stdout: "", stderr: `${file}: ${MISSING}` };
    const late = result.timedOut ? `${file} was stopped after ${limitMs / 1000} s` : "";
    return { code: result.exitCode ?? 1, stdout: result.stdout, stderr: `${result.stderr}${late}` };
  },
  now: Date.now,
  sleep: (ms) => sleep(ms),
  say: (text) => console.log(text),
  isRoot: () => process.getuid?.() === 0,
};

/** A program that failed: what was to be done, what it said, what to do about it. */
export class HostError extends Error {
  constructor(what: string, { stdout, stderr }: Ended) {
    const said = lastLines(stderr || stdout, 8);
    super([`${what}: ${said}`, explain(stderr)].filter(Boolean).join("\n"));
    this.name = "HostError";
  }
}

/** Runs a program that has to succeed; answers its output. `what` begins the error. */
export async function must(
  deps: Deps,
  what: string,
  [file, ...args]: readonly [string, ...string[]],
  limitMs?: number,
): Promise<string> {
  const ended = await deps.run(file, args, limitMs);
  if (ended.code !== 0) throw new HostError(what, ended);
  return ended.stdout;
}

/** The last `count` lines that say something. */
export function lastLines(text: string, count: number): string {
  const lines = text.split(/\r?\n/).map((line) => line.trimEnd());
  return lines
    .filter((line) => line !== "")
    .slice(-count)
    .join("\n");
}
