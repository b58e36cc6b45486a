/** `/healthz` on loopback, for the container's health check. */

/** Serves `/healthz` on 127.0.0.1: 200 while `healthy()` is true, else 503. */
export function serveHealth(_options: {
  readonly port: number;
  readonly healthy: () => boolean;
}): Promise<{ readonly port: number; close(): Promise<void> }> {
  throw new Error("not yet");
}
