/** Records as a zone file has them (RFC 1035 section 5.1), for a zone that is kept by hand. Pure. */
import { toWire } from "@pulumi/gandi/rdata.ts";
import type { RecordSpec } from "./records.ts";

/** What a line is made from. */
export type ZoneRecord = Pick<RecordSpec, "name" | "ttl" | "values"> & { readonly type: string };

/** One line a value. */
export function zoneLines(records: readonly ZoneRecord[]): string[] {
  return records.flatMap(({ name, type, ttl, values }) =>
    values.map((value) => [name, ttl, "IN", type, toWire(value, type)].join("\t")),
  );
}

/** The file of a domain. */
export function zoneFile(domain: string, records: readonly ZoneRecord[]): string {
  return [`$ORIGIN ${domain}.`, ...zoneLines(records), ""].join("\n");
}
