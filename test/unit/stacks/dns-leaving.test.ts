import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { planLeaving } from "../../../stacks/dns/leaving.ts";
import { type DnsState, planMove } from "../../../stacks/dns/move.ts";
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
      told: /^b\.test leaves: .*still taken\. .*until 2026-11-01T03:01:40\.000Z: after/,
    },
    { at: 900, ...LEAVING, told: /^b\.test leaves: .*until 2026-11-01T03:01:40\.000Z/ },
    { at: 10_900, ...LEAVING, told: /^b\.test leaves: nobody remembers .*Now take it out/ },
    { at: 10_900, ...GONE, told: NOTHING },
    { at: 10_901, ...GONE, told: NOTHING },
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
      at: 10_899,
      ...GONE,
      told: /^error: b\.test MX: .*until 2026-11-01T03:01:40\.000Z\. Run this update after/,
    },
    { at: 10_899, ...LEAVING, told: /until 2026-11-01T03:01:40\.000Z/ },
    { at: 10_900, ...GONE, told: NOTHING },
  ],
  "at once where that is wanted, with a warning": [
    BEGUN,
    { at: 9, ...GONE, changeNow: true, told: /^warning: b\.test MX: .*gets the mail back/ },
  ],
  "not sooner for a TTL that is lowered in the same update": [
    BEGUN,
    { at: 100, ...LEAVING, ttl: 300, told: /until 2026-11-01T03:01:40\.000Z/ },
    { at: 401, ...GONE, ttl: 300, told: /^error: .*until 2026-11-01T03:01:40\.000Z/ },
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
    { at: 9, domains: [OTHER], told: /^error: a\.test MX: .*leaves the stack/ },
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
        const facts = { prior, changeNow: update.changeNow ?? false, now: at(seconds) };
        const { state } = planMove({ ...facts, ttl, records: recordsOf(domains, leaving, ttl) });
        const { findings, notes, left } = planLeaving({ ...facts, domains, leaving });
        const text = findings.map(
          ({ severity, record, message, remedy }) => `${severity}: ${record}: ${message}. ${remedy}`,
        );
        assert.match([...text, ...notes].join("\n"), update.told, iso(seconds));
        if (!findings.some(({ severity }) => severity === "error")) prior = { ...state, left };
      }
    });
});
