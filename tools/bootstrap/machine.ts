import { accessSync, constants, existsSync, readFileSync, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import type { Env } from "./context.ts";

/** What the decisions need to know of this machine. */
export interface Machine {
  readonly root: boolean;
  /** Debian or one of its children: has apt-get and Debian's package names. */
  readonly debian: boolean;
  readonly systemd: boolean;
  has(program: string): boolean;
}

/** The first file of that name on PATH that can be executed. */
export function which(program: string, env: Env): string | undefined {
  for (const folder of (env.PATH ?? "").split(delimiter)) {
    const path = join(folder, program);
    try {
      accessSync(path, constants.X_OK);
      if (folder !== "" && statSync(path).isFile()) return path;
    } catch {
      // Not here; look on.
    }
  }
  return undefined;
}

function isDebian(): boolean {
  try {
    return /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(readFileSync("/etc/os-release", "utf8"));
  } catch {
    return false;
  }
}

/** Looks at this machine. */
export function inspectMachine(env: Env): Machine {
  return {
    root: process.getuid?.() === 0,
    debian: isDebian() && which("apt-get", env) !== undefined,
    systemd: existsSync("/run/systemd/system"),
    // dockerd and its kin lie in sbin, which a user's PATH may lack.
    has: (program) => which(program, { PATH: `${env.PATH ?? ""}:/usr/sbin:/sbin` }) !== undefined,
  };
}
