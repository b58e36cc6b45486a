/** Removes from LiveDNS what an update made while it was killed: no state knows of it, and it would be in its own way. */
import { read, remove } from "@pulumi/gandi/crud.ts";
import { RECORD_TYPE } from "@pulumi/gandi/diff.ts";
import type { Deps } from "@pulumi/gandi/http.ts";
import { sameValues } from "@pulumi/gandi/rdata.ts";
import { z } from "zod";
import { gandiConfig } from "./gandi-config.ts";

/** A record set whose creation was begun: the inputs of a Record, secrets left aside. */
export const HalfMade = z.object({
  ...{ zone: z.string(), name: z.string(), type: z.string(), ttl: z.number(), values: z.array(z.string()) },
  // What may be taken over is in nobody's way, and may have been another's.
  adoptExisting: z.literal(false),
});
export type HalfMade = z.infer<typeof HalfMade>;

/** What the creation of a resource may have left at LiveDNS. */
export function halfMadeOf({
  type,
  inputs,
}: {
  readonly type: string;
  readonly inputs?: unknown;
}): HalfMade[] {
  const record = type === RECORD_TYPE ? HalfMade.safeParse(inputs).data : undefined;
  return record === undefined ? [] : [record];
}

/**
 * Those that are there to the letter: the update found its place empty before. `config`: as `pulumi config --json
 * --show-secrets` says it. Gives their names. Throws what LiveDNS has against it.
 */
export async function removeHalfMade(
  config: string,
  records: readonly HalfMade[],
  deps?: Deps,
): Promise<string[]> {
  const gandi = gandiConfig(config);
  const removed: string[] = [];
  for (const record of gandi === undefined ? [] : records) {
    const { zone, name, type, ttl, values } = record;
    const props = { ...record, auth: gandi?.auth, snapshot: false };
    const { props: found } = await read(`${zone}/${name}/${type}`, props, deps);
    if (found === undefined || found.ttl !== ttl || !sameValues(found.values, values, type, zone)) continue;
    await remove("", props, deps);
    removed.push(`${type} ${name === "@" ? zone : `${name}.${zone}`}`);
  }
  return removed;
}
