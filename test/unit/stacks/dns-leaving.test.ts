import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseConfig } from "../../../stacks/check-config.ts";
import { planLeaving } from "../../../stacks/dns/leaving.ts";
import { checkLeaving } from "../../../stacks/dns/leaving-checks.ts";
import { type DnsState, planMove } from "../../../stacks/dns/move.ts";
import { buildModel } from "../../../stacks/model.ts";
import type { RecordSpec } from "../../../stacks/records.ts";

const START = Date.parse("2026-11-01T00:00:00.000Z");
const at = (seconds: number): Date => new Date(START + seconds * 1_000);
const iso = (seconds: number): string => at(seconds).toISOString();
const HOST = "a.test";
const OTHER = "b.test";

interface Update {
  readonly at: number;
  readonly domains?: readonly string[];
  readonly leaving?: readonly string[];
  readonly ttl?: number;
  readonly changeNow?: boolean;
  /** What is told: an error stops the update. */
  readonly told: RegExp;
}

const NOTHING = /^$/;
const LEAVING = { leaving: [OTHER] };
const GONE = { domains: [HOST] };
const BEGUN: Update = { at: 0, told: NOTHING };

/** One update after the other, each with what the last one that succeeded left. */
const STORIES: Readonly<Record<string, readonly Update[]>> = {
  "in two updates, when its MX record is forgotten": [
    BEGUN,
    {
      at: 100,
      ...LEAVING,
      told: /^b\.test leaves: .*still taken\. .*until 2026-11-01T03:16:40\.000Z: after/,
    },
    { at: 900, ...LEAVING, told: /^b\.test leaves: .*until 2026-11-01T03:16:40\.000Z/ },
    { at: 11_800, ...LEAVING, told: /^b\.test leaves: nobody remembers .*Now take it out/ },
    { at: 11_800, ...GONE, told: NOTHING },
    { at: 11_801, ...GONE, told: NOTHING },
  ],
  "not in one": [
    BEGUN,
    {
      at: 50_000,
      ...GONE,
      told: /^error: b\.test MX: .*up to 10800 s after\. First one update .*semail:leaving/,
    },
  ],
  "not before the record is forgotten, however often it is asked for": [
    BEGUN,
    { at: 100, ...LEAVING, told: /leaves/ },
    {
      at: 11_799,
      ...GONE,
      told: /^error: b\.test MX: .*until 2026-11-01T03:16:40\.000Z\. Run this update after/,
    },
    { at: 11_799, ...LEAVING, told: /until 2026-11-01T03:16:40\.000Z/ },
    { at: 11_800, ...GONE, told: NOTHING },
  ],
  "at once where that is wanted, with a warning": [
    BEGUN,
    { at: 9, ...GONE, changeNow: true, told: /^warning: b\.test MX: .*gets the mail back/ },
  ],
  "not sooner for a TTL that is lowered in the same update": [
    BEGUN,
    { at: 100, ...LEAVING, ttl: 300, told: /until 2026-11-01T03:16:40\.000Z/ },
    { at: 401, ...GONE, ttl: 300, told: /^error: .*until 2026-11-01T03:16:40\.000Z/ },
  ],
  "nor for one that was lowered before": [
    BEGUN,
    { at: 100, ttl: 300, told: NOTHING },
    { at: 200, ...LEAVING, ttl: 300, told: /until 2026-11-01T03:01:40\.000Z/ },
  ],
  "not after it came back": [
    BEGUN,
    { at: 100, ...LEAVING, told: /leaves/ },
    { at: 200, told: NOTHING },
    { at: 20_000, ...GONE, told: /^error: .*its MX record is there/ },
  ],
  "and one that never had the record whenever it likes": [
    { at: 0, domains: [HOST], told: NOTHING },
    { at: 1, ...LEAVING, told: NOTHING },
    { at: 2, ...GONE, told: NOTHING },
  ],
  "the host's own, too, when the host takes another name": [
    BEGUN,
    {
      at: 9,
      domains: [OTHER],
      told: /^error: mx\.a\.test A: it goes, since semail:domain is another one.*Leave semail:domain as it was/,
    },
  ],
};

const recordsOf = (domains: readonly string[], leaving: readonly string[], ttl: number): RecordSpec[] =>
  domains.flatMap((zone): RecordSpec[] => [
    ...(leaving.includes(zone)
      ? []
      : [{ zone, name: "@", type: "MX", ttl, values: ["10 mx.a.test."] } as const]),
    { zone, name: "mx", type: "A", ttl, values: ["192.0.2.1"] },
  ]);

describe("a domain is given up", () => {
  for (const [name, updates] of Object.entries(STORIES))
    it(name, () => {
      let prior: DnsState | undefined;
      for (const { at: seconds, domains = [HOST, OTHER], leaving = [], ttl = 10_800, ...update } of updates) {
        const facts = { prior, published: [], changeNow: update.changeNow ?? false, now: at(seconds) };
        const moved = planMove({ ...facts, ttl, records: recordsOf(domains, leaving, ttl) });
        const known = { held: undefined, mx: "mx.a.test" };
        const { findings: gone, notes, left } = planLeaving({ ...facts, ...known, domains, leaving });
        const findings = [...moved.findings, ...gone];
        const text = findings.map(
          ({ severity, record, message, remedy }) => `${severity}: ${record}: ${message}. ${remedy}`,
        );
        assert.match([...text, ...notes].join("\n"), update.told, iso(seconds));
        if (!findings.some(({ severity }) => severity === "error")) prior = { ...moved.state, left };
      }
    });
});

describe("what points at a domain that is given up", () => {
  const address = "192.0.2.1";
  const base = { domain: HOST, domains: [OTHER], leaving: [OTHER], host: { address } };
  const at = (zone: string, type: string, value: string) => ({
    zone,
    name: "@",
    type,
    ttl: 300,
    values: [value],
  });
  const cases: Readonly<Record<string, { raw?: object; held?: ReturnType<typeof at>[]; told: RegExp }>> = {
    "is nothing by default": { told: NOTHING },
    "is where reports go": {
      raw: { dns: { dmarc: { rua: [`d@${OTHER}`] }, tlsReports: [`t@${OTHER}`] } },
      told: /^b\.test: others will send no mail to semail:dns\.dmarc\.rua d@b\.test, semail:dns\.tlsReports t@b\.test$/,
    },
    "is a person's main address": {
      raw: { users: { alice: { name: "Alice", addresses: [`a@${OTHER}`] } } },
      told: /semail:users a@b\.test$/,
    },
    "is the host's own address, where mail goes without an MX record": {
      held: [at(OTHER, "A", address)],
      told: /^b\.test A: it is the host's address: without an MX record of others, mail goes on coming here$/,
    },
    "is that address also while the zone has the stack's own MX record": {
      held: [at(OTHER, "A", address), at(OTHER, "MX", "10 mx.a.test.")],
      told: /^b\.test A: /,
    },
    "is no address of a domain whose mail goes to others, or to nobody": {
      held: [
        at(OTHER, "A", address),
        { ...at(OTHER, "MX", "0 ."), values: ["10 MX.a.test.", "20 mx.c.test."] },
      ],
      told: NOTHING,
    },
    "is no address of other hosts, nor of other domains": {
      held: [at(OTHER, "A", "192.0.2.9"), at(HOST, "A", address)],
      told: NOTHING,
    },
  };
  for (const [name, { raw = {}, held, told }] of Object.entries(cases))
    it(name, () => {
      const { config, problems } = parseConfig({ ...base, ...raw });
      assert.ok(config, JSON.stringify(problems));
      const found = checkLeaving(buildModel(config, { project: "semail", stack: "prod" }), held);
      assert.ok(found.every(({ severity }) => severity === "warning"));
      assert.match(found.map(({ record, message }) => `${record}: ${message}`).join("\n"), told);
    });
});
