/** What processes of this machine use. */
import { readdirSync, readFileSync } from "node:fs";

/** Resident memory of a process in KB, and its share of what it shares. */
export function memoryOf(pid: number): { readonly rss: number; readonly pss: number } {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const of = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1]);
  return { rss: of("Rss"), pss: of("Pss") };
}

export interface Usage {
  /** Of all processes so far, those that have ended too. */
  readonly cpuSeconds: number;
  /** Of the processes that run, what they share counted once. */
  readonly megabytes: number;
}

/** `_SC_CLK_TCK`, which is 100 on every Linux that Node runs on. */
const TICKS = 100;

interface Process {
  readonly pid: number;
  readonly parent: number;
  /** Own time, and that of children which have ended. */
  readonly ticks: number;
}

/** Of a process and all that descend from it. */
export function usageOf(root: number): Usage {
  const all = readdirSync("/proc").flatMap((name) => (/^\d+$/.test(name) ? (read(Number(name)) ?? []) : []));
  const family = new Set([root]);
  // A parent has mostly the lower number; again for those that have not.
  for (let size = 0; size < family.size; ) {
    size = family.size;
    for (const { pid, parent } of all) if (family.has(parent)) family.add(pid);
  }
  const members = all.filter(({ pid }) => family.has(pid));
  return {
    cpuSeconds: members.reduce((sum, { ticks }) => sum + ticks, 0) / TICKS,
    megabytes: members.reduce((sum, { pid }) => sum + pssOf(pid), 0) / 1_024,
  };
}

/** Undefined when it is gone. proc_pid_stat(5): the name in parentheses may hold anything. */
function read(pid: number): Process | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = text
      .slice(text.lastIndexOf(")") + 2)
      .split(" ")
      .map(Number);
    const [, parent = 0] = fields;
    return { pid, parent, ticks: fields.slice(11, 15).reduce((sum, value) => sum + value, 0) };
  } catch {
    return undefined;
  }
}

function pssOf(pid: number): number {
  try {
    return memoryOf(pid).pss;
  } catch {
    return 0;
  }
}
