/** Zones that are wrong in one thing each, and what their stacks would say of themselves. */
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { z } from "zod";
import { parseConfig } from "../../stacks/check-config.ts";
import { selectorOf } from "../../stacks/dkim/rotation.ts";
import { policyTexts } from "../../stacks/dns/mta-sts.ts";
import { buildModel } from "../../stacks/model.ts";
import { dkimRecord, dkimValue } from "../../stacks/records.ts";
import { zoneLines } from "../../stacks/zone-file.ts";
import type { StackFacts } from "../../tools/doctor/stack-facts.ts";

const Case = z.strictObject({
  zone: z.string(),
  /** Keys of the stack's config beside the usual ones. */
  config: z.record(z.string(), z.unknown()).default({}),
  set: z.record(z.string(), z.array(z.string())),
  /** Of what `set` sets. */
  ttl: z.int().default(300),
  signed: z.enum(["right", "wrong"]).optional(),
  /** `record` as it is, the others as regular expressions; none: the zone is right. */
  finding: z
    .strictObject({ record: z.string(), message: z.string(), remedy: z.string().default("") })
    .optional(),
});
export type BrokenZone = z.infer<typeof Case>;

export function brokenZones(): BrokenZone[] {
  const text = readFileSync(new URL("../fixtures/doctor/broken-zones.yaml", import.meta.url), "utf8");
  return z
    .array(Case)
    .parse(parse(text))
    .map((each) => JSON.parse(JSON.stringify(each).replaceAll("DOMAIN", each.zone)) as BrokenZone);
}

/** What the stack of a zone says of itself. `publicKey`: of its DKIM key. */
export function factsOf(
  { zone, config }: Pick<BrokenZone, "zone" | "config">,
  publicKey: string,
  servers: { resolver: string; nameServer: string },
): StackFacts {
  const { dns = {}, ...rest } = config as { dns?: object };
  const parsed = parseConfig({
    domain: zone,
    host: { address: "192.0.2.10", bind: "0.0.0.0" },
    ...rest,
    dns: { provider: "none", ttl: 300, ...dns },
  });
  if (parsed.config === undefined) throw new Error(JSON.stringify(parsed.problems));
  const model = buildModel(parsed.config, { project: "semail", stack: "test" });
  const { domain, domains, leaving, hostnames, ports } = model;
  return {
    ...{
      domain,
      domains: [...domains],
      leaving: [...leaving],
      hostnames: { ...hostnames },
      ports: { ...ports },
    },
    ...{ bind: "0.0.0.0", dnsProvider: "none", ca: "", prefix: "semail-test" },
    certificates: { kind: "own", roots: [] },
    kept: [],
    ...servers,
    mtaStsPolicies: policyTexts(model),
    signing: [{ domain, selector: selectorOf(1), publicKey }],
    records: [...model.records, dkimRecord(domain, selectorOf(1), dkimValue(publicKey), 300)].map(
      (record) => ({
        ...record,
        values: [...record.values],
      }),
    ),
  };
}

/** The zone's lines: as its stack wants it, but for what is wrong. */
export function linesOf({ set, ttl }: BrokenZone, { records }: StackFacts): string[] {
  const kept = records.filter(({ name, type }) => set[`${name} ${type}`] === undefined);
  const changed = Object.entries(set).flatMap(([key, values]) => {
    const [name, type] = key.split(" ");
    return values.map((value) => [name, ttl, "IN", type, value].join("\t"));
  });
  return [...zoneLines(kept), ...changed];
}
