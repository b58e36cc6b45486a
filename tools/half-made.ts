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

const HalfChanged = HalfMade.pick({ values: true });
const Known = z.looseObject({ urn: z.string(), outputs: z.looseObject({ values: z.array(z.string()) }) });
const Begun = z.object({
  type: z.literal("updating"),
  resource: z.object({ urn: z.string(), type: z.literal(RECORD_TYPE), inputs: HalfChanged }),
});
const Exported = z.looseObject({
  deployment: z.looseObject({
    resources: z.array(z.unknown()).optional(),
    pending_operations: z.array(z.unknown()).optional(),
  }),
});

/**
 * The state, as `pulumi stack export` writes it, in which the values of records that were being changed when an update was
 * killed are the stack's own as well as those before: either may be at LiveDNS, and what isn't ours stays when we go. Pure.
 */
export function ownHalfChanged(state: string): string {
  const exported = Exported.parse(JSON.parse(state));
  const { resources = [], pending_operations: operations = [] } = exported.deployment;
  const begun = operations.flatMap((each) => Begun.safeParse(each).data?.resource ?? []);
  if (begun.length === 0) return state;
  const changed = resources.map((resource) => {
    const known = Known.safeParse(resource).data;
    const change = begun.find(({ urn }) => urn === known?.urn);
    if (known === undefined || change === undefined) return resource;
    const { outputs } = known;
    const before = Array.isArray(outputs.declared) ? outputs.declared : outputs.values;
    const declared = [...new Set([...before, ...change.inputs.values])];
    return { ...known, outputs: { ...outputs, declared } };
  });
  return JSON.stringify({ ...exported, deployment: { ...exported.deployment, resources: changed } });
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
