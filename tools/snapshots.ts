/** Removes what updates left at LiveDNS: snapshots of the zones, beyond the newest. */
import { tidySnapshots } from "@pulumi/gandi/domain.ts";
import { gandiConfig } from "./gandi-config.ts";

/** Removes one zone's. */
type Tidy = typeof tidySnapshots;

/**
 * `config`: as `pulumi config --json --show-secrets` says it. A line for each zone of which some went, or could not; none
 * where LiveDNS isn't used.
 */
export async function tidyZones(config: string, tidy: Tidy = tidySnapshots): Promise<string[]> {
  const { zones = [], snapshots: keep = 0, auth = {} } = gandiConfig(config) ?? {};
  const told = await Promise.all(
    zones.map(async (zone) => {
      try {
        const gone = await tidy({ zone, keep, auth });
        return gone === 0
          ? []
          : [`✓ ${gone} old ${gone === 1 ? "snapshot" : "snapshots"} of ${zone} removed`];
      } catch (error) {
        // The update is done: they go with the next one.
        return [`! ${error instanceof Error ? error.message : String(error)}`];
      }
    }),
  );
  return told.flat();
}
