/** Who holds a lock: process, machine, and the process's start time where the system tells it. */
export interface Holder {
  pid: number;
  host: string;
  start?: string | undefined;
}
/** What {@link isStale} must know of this machine. */
export interface Here {
  host: string;
  startOf(pid: number): string | undefined;
}
export function processStart(pid: number): string | undefined;
export function isStale(holder: Holder, here: Here): boolean;
export function withLock<T>(
  path: string,
  options: { onWait?: (holder: Holder) => void; signal?: AbortSignal },
  work: () => T | Promise<T>,
): Promise<T>;
