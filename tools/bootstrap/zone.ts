/** The domain's records as a zone file (RFC 1035 section 5.1), for a zone that is kept by hand. Pure. */
import { toWire } from "@pulumi/gandi/rdata.ts";
import { z } from "zod";

export const ZoneRecord = z.object({
  name: z.string(),
  type: z.string(),
  ttl: z.number(),
  values: z.array(z.string()),
});
export type ZoneRecord = z.infer<typeof ZoneRecord>;

/** One line a record. */
export function zoneFile(domain: string, records: readonly ZoneRecord[]): string {
  const lines = records.flatMap(({ name, type, ttl, values }) =>
    values.map((value) => [name, ttl, "IN", type, toWire(value, type)].join("\t")),
  );
  return [`$ORIGIN ${domain}.`, ...lines, ""].join("\n");
}
