/**
 * Whose turn a box is, when several processes deliver to it: where two meet at a Maildir's lock, Dovecot lets the one
 * that came second sleep for a tenth of a second or two. A courtesy only: whoever gets no turn in time goes ahead.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Timing } from "../net/timing.ts";

export interface BoxTurns {
  /** Settles when it is this process's turn, with what ends it. One at a time for each box. */
  take(host: string, signal?: AbortSignal): Promise<() => void>;
}

export interface BoxTurnsOptions {
  /** Shared by the processes, in memory, and empty when they start. */
  readonly folder: string;
  /** Tells this process from the others. */
  readonly name: string;
  readonly timing: Timing;
}

/** A delivery takes a few milliseconds; whoever waits looks this often. */
const LOOK_MS = 2;
/** Who had their turn for so long has died, or the box hangs: it is no use to wait for them. */
const PATIENCE_MS = 1_000;

export function createBoxTurns({ folder, name, timing }: BoxTurnsOptions): BoxTurns {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const pause = (): Promise<void> => new Promise((resolve) => void timing.after(LOOK_MS, resolve));

  /** False when another process has it. A folder that can't be written to makes nobody wait. */
  function take(file: string): boolean {
    try {
      writeFileSync(file, name, { flag: "wx" });
      return true;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code !== "EEXIST";
    }
  }

  function end(file: string): void {
    try {
      // Another may have gone ahead meanwhile.
      if (readFileSync(file, "utf8") === name) rmSync(file, { force: true });
    } catch {
      // Nothing to end.
    }
  }

  async function wait(turn: string, next: string, signal?: AbortSignal): Promise<void> {
    const began = timing.now();
    let isNext = false;
    while (timing.now() - began < PATIENCE_MS) {
      isNext ||= take(next);
      if (isNext && take(turn)) return end(next);
      await pause();
      if (signal?.aborted === true) return isNext ? end(next) : undefined;
    }
    // Nor shall anybody wait for the traces of a process that died.
    for (const file of [turn, next]) rmSync(file, { force: true });
    take(turn);
  }

  return {
    async take(host, signal) {
      const turn = join(folder, `box-${encodeURIComponent(host)}`);
      const next = `${turn}.next`;
      // Who waits already goes ahead of who comes again and again.
      if (existsSync(next) || !take(turn)) await wait(turn, next, signal);
      return () => end(turn);
    },
  };
}
