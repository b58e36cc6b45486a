/** Waiting that ends when a signal says so, for work that doesn't heed the signal itself. */

/** What comes of `work`, or what `otherwise` gives once `signal` is aborted: nobody waits for the work any more. */
export function unlessAborted<T, O>(
  work: Promise<T>,
  signal: AbortSignal,
  otherwise: () => O | Promise<O>,
): Promise<T | O> {
  const { promise, resolve } = Promise.withResolvers<O>();
  const end = (): void => resolve(otherwise());
  if (signal.aborted) end();
  else signal.addEventListener("abort", end, { once: true });
  return Promise.race([work, promise]).finally(() => signal.removeEventListener("abort", end));
}
