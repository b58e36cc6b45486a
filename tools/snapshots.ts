/** Removes what updates left at LiveDNS: snapshots of the zones, beyond the newest. */
import { tidySnapshots } from "@pulumi/gandi/domain.ts";
import { z } from "zod";
import { Dns } from "../stacks/schema-dns.ts";

/** What `pulumi config --json --show-secrets` says, as far as it matters here. */
const Config = z.object({
  "semail:domain": z.object({ value: z.string() }),
  "semail:domains": z.object({ value: z.string() }).optional(),
  "semail:dns": z.object({ value: z.string() }).optional(),
  "semail:gandiToken": z.object({ value: z.string() }).optional(),
});

const Domains = z.array(z.string());

/** Removes one zone's. */
type Tidy = typeof tidySnapshots;

/** `config`: see {@link Config}. A line for each zone of which some went, or could not; none where LiveDNS isn't used. */
export async function tidyZones(config: string, tidy: Tidy = tidySnapshots): Promise<string[]> {
  const known = Config.safeParse(JSON.parse(config)).data;
  if (known === undefined) return [];
  const { provider, apiUrl, snapshots: keep } = Dns.parse(JSON.parse(known["semail:dns"]?.value ?? "{}"));
  if (provider !== "gandi") return [];
  const token = known["semail:gandiToken"]?.value;
  const others = Domains.parse(JSON.parse(known["semail:domains"]?.value ?? "[]"));
  const auth = { apiUrl, ...(token === undefined ? {} : { token }) };
  const told = await Promise.all(
    [known["semail:domain"].value, ...others].map(async (zone) => {
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
