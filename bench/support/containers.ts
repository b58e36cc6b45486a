/** What containers cost on the machine that runs this: read from /proc, which needs root and the engine on this machine. */
import { readdir, readFile } from "node:fs/promises";

/** Of one container. */
export interface Cost {
  /** Memory of its processes, in bytes; what is shared with others is divided among them (PSS). */
  readonly own: number;
  /** The same of the engine's process that watches it. */
  readonly shim: number;
  readonly processes: number;
  /** Processor time so far, in seconds, the watcher's and that of ended processes included. */
  readonly cpu: number;
}

interface Process {
  readonly parent: number;
  readonly ticks: number;
}

/** Of `getconf CLK_TCK`, which Linux has the same everywhere. */
const TICKS_A_SECOND = 100;

/** The costs of containers by the ids of their first processes. */
export async function costsOf(firsts: readonly number[]): Promise<Cost[]> {
  const all = await processes();
  const children = new Map<number, number[]>();
  for (const [pid, { parent }] of all) children.set(parent, [...(children.get(parent) ?? []), pid]);
  const below = (pid: number): number[] => [pid, ...(children.get(pid) ?? []).flatMap(below)];
  return Promise.all(
    firsts.map(async (first) => {
      const known = all.get(first);
      if (known === undefined) throw new Error(`no process ${first} here: is the engine on this machine?`);
      const own = below(first);
      const ticks = [known.parent, ...own].reduce((sum, pid) => sum + (all.get(pid)?.ticks ?? 0), 0);
      const sizes = await Promise.all(own.map(shareOf));
      return {
        own: sizes.reduce((sum, size) => sum + size, 0),
        shim: await shareOf(known.parent),
        processes: own.length,
        cpu: ticks / TICKS_A_SECOND,
      };
    }),
  );
}

/** Memory of the engine's own daemons, in bytes. */
export async function engineMemory(): Promise<number> {
  let sum = 0;
  for (const pid of (await processes()).keys()) {
    const name = (await readFile(`/proc/${pid}/comm`, "utf8").catch(() => "")).trim();
    if (name === "dockerd" || name === "containerd") sum += await shareOf(pid);
  }
  return sum;
}

/** Names and memory of a container's processes, the largest first: for who wants to know where it goes. */
export async function processesOf(first: number): Promise<{ name: string; bytes: number }[]> {
  const all = await processes();
  const within = [...all].filter(([pid]) => {
    for (let at: number | undefined = pid; at !== undefined && at > 1; at = all.get(at)?.parent)
      if (at === first) return true;
    return false;
  });
  const named = within.map(async ([pid]) => {
    const line = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    return { name: line.replaceAll("\0", " ").trim(), bytes: await shareOf(pid) };
  });
  return (await Promise.all(named)).toSorted((one, other) => other.bytes - one.bytes);
}

async function processes(): Promise<Map<number, Process>> {
  const found = new Map<number, Process>();
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    // One that ends meanwhile is none.
    const text = await readFile(`/proc/${name}/stat`, "utf8").catch(() => "");
    // proc_pid_stat(5): the name, in brackets, may hold anything; state, ppid, …, utime, stime, cutime, cstime follow.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    if (fields.length < 15) continue;
    const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
    found.set(Number(name), { parent: Number(fields[1]), ticks });
  }
  return found;
}

async function shareOf(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, "utf8").catch(() => "");
  return Number(/^Pss: +(\d+) kB/m.exec(text)?.[1] ?? 0) * 1_024;
}
