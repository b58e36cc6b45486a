/** What a daemon counts, and whether it is well, over HTTP. */
import { type HealthOptions, serveHealth } from "../net/health.ts";
import { CONTENT_TYPE, exposition, type Snapshot, snapshot } from "./exposition.ts";
import type { Meter } from "./meter.ts";

interface Served extends Pick<HealthOptions, "healthy"> {
  readonly meter: Pick<Meter, "registry">;
  /** Where: on loopback, and at `metricsAddress` as well. */
  readonly settings: { readonly healthPort: number; readonly metricsAddress?: string | undefined };
  /** What other processes of the daemon counted. */
  readonly others?: () => Promise<readonly Snapshot[]>;
}

/** Serves `/healthz`, and `/metrics` with what the meter counted. */
export function serveMeter({ meter, settings, healthy, others }: Served): ReturnType<typeof serveHealth> {
  const read = async () => exposition([await snapshot(meter.registry), ...((await others?.()) ?? [])]);
  const { healthPort: port, metricsAddress: address } = settings;
  return serveHealth({ port, address, healthy, metrics: { contentType: CONTENT_TYPE, read } });
}
