/** What a daemon counts, and whether it is well, over HTTP. */
import { type HealthOptions, serveHealth } from "../net/health.ts";
import { CONTENT_TYPE, exposition, type Snapshot, snapshot } from "./exposition.ts";
import type { Meter } from "./meter.ts";

interface Served extends Omit<HealthOptions, "metrics"> {
  readonly meter: Pick<Meter, "registry">;
  /** What other processes of the daemon counted. */
  readonly others?: () => Promise<readonly Snapshot[]>;
}

/** Serves `/healthz`, and `/metrics` with what the meter counted. */
export function serveMeter({ meter, others, ...health }: Served): ReturnType<typeof serveHealth> {
  const read = async () => exposition([await snapshot(meter.registry), ...((await others?.()) ?? [])]);
  return serveHealth({ ...health, metrics: { contentType: CONTENT_TYPE, read } });
}
