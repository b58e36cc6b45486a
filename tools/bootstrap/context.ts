import { mkdirSync } from "node:fs";
import { join } from "node:path";

/** Environment variables as a plain record, so that no step reads or changes the process's own. */
export type Env = Record<string, string | undefined>;

/** How a step talks to the user. */
export interface Say {
  /** A step that takes a while: what, and how long it may take. */
  doing(what: string, takes?: string): void;
  /** A finished step; `detail` says how it came about. */
  done(what: string, detail?: string): void;
  /** A line as it is. */
  line(text: string): void;
}

/** What every step of a command is given. */
export interface Context {
  /** The checkout. */
  readonly root: string;
  readonly env: Env;
  /** Aborted when the user stops the run. */
  readonly signal: AbortSignal;
  /** Aborted when they ask a second time, while something still comes to its end in good order. */
  readonly hurry: AbortSignal;
  readonly say: Say;
}

/** The steps' lines, written by `write`. */
export function sayWith(write: (line: string) => void): Say {
  const bracketed = (text: string | undefined): string => (text ? ` (${text})` : "");
  return {
    doing: (what, takes) => write(`… ${what}${bracketed(takes)}`),
    done: (what, detail) => write(`✓ ${what}${bracketed(detail)}`),
    line: write,
  };
}

/** A folder below the checkout's private `.semail`, made on the way. */
export function stateFolder(root: string, ...names: string[]): string {
  const path = join(root, ".semail", ...names);
  mkdirSync(path, { recursive: true, mode: 0o700 });
  return path;
}
