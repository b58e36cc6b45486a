/** The word to end. */

/**
 * Settles with the name of the signal that asks this process to end. To be called before anything else is done: process
 * 1 of a container has no default for signals.
 */
export function signalled(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => resolve(name));
  });
}
