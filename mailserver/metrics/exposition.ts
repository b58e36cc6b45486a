/** The metrics of several processes as one page. */
import { AggregatorRegistry, type MetricObjectWithValues, type MetricValue, Registry } from "prom-client";

/** What one process counted; plain data. */
export type Snapshot = readonly MetricObjectWithValues<MetricValue<string>>[];

export const CONTENT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

export async function snapshot(registry: Registry): Promise<Snapshot> {
  return (await registry.getMetricsAsJSON()) as unknown as Snapshot;
}

/** Prometheus' text format; what has the same labels in several processes is added up. */
export function exposition(snapshots: readonly Snapshot[]): Promise<string> {
  return AggregatorRegistry.aggregate([...snapshots] as unknown as object[]).metrics();
}
