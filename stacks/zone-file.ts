/** Records as a zone file has them (RFC 1035 section 5.1), for a zone that is kept by hand. Pure. */
import { toWire } from "@pulumi/gandi/rdata.ts";
import type { RecordSpec } from "./records.ts";

/** What a line is made from. */
export type ZoneRecord = Pick<RecordSpec, "name" | "ttl" | "values"> & {
  readonly type: string;
  /** The zone, where there may be several. */
  readonly zone?: string | undefined;
};

/** One line a value. */
export function zoneLines(records: readonly ZoneRecord[]): string[] {
  return records.flatMap(({ name, type, ttl, values }) =>
    values.map((value) => [name, ttl, "IN", type, toWire(value, type)].join("\t")),
  );
}

/** The file of all domains, a part of each; records without a zone are `domain`'s. */
export function zoneFile(domain: string, records: readonly ZoneRecord[]): string {
  const zones = new Map<string, ZoneRecord[]>();
  for (const record of records) {
    const zone = record.zone ?? domain;
    zones.set(zone, [...(zones.get(zone) ?? []), record]);
  }
  return [...zones].map(([zone, own]) => [`$ORIGIN ${zone}.`, ...zoneLines(own), ""].join("\n")).join("\n");
}
