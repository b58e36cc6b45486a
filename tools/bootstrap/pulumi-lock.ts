import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import type { Context } from "./context.ts";
import { Fault } from "./fault.ts";
import type { Stack } from "./stack.ts";

/** What Pulumi's file backend writes into a lock. */
const PulumiLock = z.object({
  pid: z.number(),
  username: z.string(),
  hostname: z.string(),
  timestamp: z.string(),
});
export type PulumiLock = z.infer<typeof PulumiLock>;

/** What is known of the lock's process: `undefined` when there is none of that number. */
export interface LockFacts {
  readonly hostname: string;
  commandOf(pid: number): string | undefined;
}

/** A lock is dead when its machine is this one and no Pulumi has its process number any more. */
export function isDeadLock(lock: PulumiLock, facts: LockFacts): boolean {
  if (lock.hostname !== facts.hostname) return false;
  const command = facts.commandOf(lock.pid);
  return command === undefined || (command !== "" && !command.includes("pulumi"));
}

/** The fault of a stack that another run works on. */
export function lockedFault(stack: string, lock: PulumiLock): Fault {
  return new Fault(
    `Another run works on the stack ${stack}: process ${lock.pid} of ${lock.username}@${lock.hostname}, since ${lock.timestamp}.`,
    "Wait until it is done. If it is no more, run this again with `-- --unlock`.",
  );
}

/** Name of a live process ("" where the system doesn't tell), undefined when there is none. */
function commandOf(pid: number): string | undefined {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return undefined;
  }
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return "";
  }
}

/** Undefined when the lock went away or was never written to its end. */
function readLock(path: string): PulumiLock | undefined {
  try {
    return PulumiLock.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return undefined;
  }
}

/**
 * Removes the locks of runs that are provably dead, and all of them when told to; refuses when another run is
 * alive. Looks into the checkout's own backend only: any other tells by itself.
 */
export function clearLocks(context: Context, stack: Stack, unlock: boolean): void {
  if (!stack.backend) return;
  const folder = join(stack.backend, ".pulumi", "locks", "organization", stack.project, stack.name);
  if (!existsSync(folder)) return;
  // Beside each lock lies a file with its attributes, which nobody reads.
  for (const name of readdirSync(folder).filter((file) => file.endsWith(".json"))) {
    const path = join(folder, name);
    const lock = readLock(path);
    if (lock && !unlock && !isDeadLock(lock, { hostname: hostname(), commandOf }))
      throw lockedFault(stack.name, lock);
    rmSync(path, { force: true });
    rmSync(`${path}.attrs`, { force: true });
    context.say.done("lock removed", lock ? `process ${lock.pid} had left it` : "it was damaged");
  }
}
