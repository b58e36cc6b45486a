/**
 * A lock file that says who holds it, so that the lock of a killed run is told from that of a live one.
 * Plain JavaScript: the entry script needs it before anything is installed.
 */
import { linkSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";

/** Start time of a live process ("" where the system doesn't tell); undefined when there is none. */
export function processStart(pid) {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (error.code === "ESRCH") return undefined;
  }
  try {
    // The second field may contain spaces and brackets; the start time is the 20th after it.
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  } catch {
    return "";
  }
}

/** Provably nobody's: same machine, and the process is gone or its number was given to another one. */
export function isStale(holder, here) {
  if (holder.host !== here.host) return false;
  const start = here.startOf(holder.pid);
  if (start === undefined) return true;
  return Boolean(holder.start) && start !== "" && start !== holder.start;
}

function readHolder(path) {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return undefined;
  }
}

/** Puts the lock in place in one step, content included; false when someone has it. */
function tryTake(path, me) {
  const mine = `${path}.${process.pid}`;
  writeFileSync(mine, JSON.stringify(me), { mode: 0o600 });
  try {
    linkSync(mine, path);
    return true;
  } catch (error) {
    if (error.code === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(mine, { force: true });
  }
}

/** Moves a stale lock away; puts it back when another run replaced it between our look and our move. */
function breakStale(path, judged) {
  const aside = `${path}.stale.${process.pid}`;
  try {
    renameSync(path, aside);
  } catch {
    return;
  }
  const moved = readHolder(aside);
  if (moved && (moved.pid !== judged.pid || moved.start !== judged.start)) {
    try {
      linkSync(aside, path);
    } catch {
      // A third run holds it by now; the one we moved will wait for that one's end.
    }
  }
  unlinkSync(aside);
}

/** Runs `work` while holding the lock; waits for a live holder (told once by `onWait`). */
export async function withLock(path, options, work) {
  const here = { host: hostname(), startOf: processStart };
  const me = { pid: process.pid, host: here.host, start: processStart(process.pid) };
  let told = false;
  while (!tryTake(path, me)) {
    options.signal?.throwIfAborted();
    const holder = readHolder(path);
    if (holder && isStale(holder, here)) {
      breakStale(path, holder);
      continue;
    }
    if (!told && holder) options.onWait?.(holder);
    told = true;
    await sleep(500, undefined, { signal: options.signal });
  }
  try {
    return await work();
  } finally {
    rmSync(path, { force: true });
  }
}
