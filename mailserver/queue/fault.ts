/** What went wrong, in words. */
export function faultText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What `work` gives; undefined when it throws. */
export function orNothing<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
