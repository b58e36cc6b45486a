import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type DnsState, planMove } from "../../../stacks/dns/move.ts";
import type { RecordSpec } from "../../../stacks/records.ts";

const START = Date.parse("2026-11-01T00:00:00.000Z");
const at = (seconds: number): Date => new Date(START + seconds * 1_000);
const iso = (seconds: number): string => at(seconds).toISOString();

const recordsOf = (address: string, ttl: number): RecordSpec[] => [
  { zone: "a.test", name: "mx", type: "A", ttl, values: [address] },
  { zone: "a.test", name: "@", type: "MX", ttl, values: ["10 mx.a.test."] },
  { zone: "a.test", name: "@", type: "TXT", ttl, values: ["v=spf1 -all"] },
];

interface Update {
  readonly at: number;
  readonly ttl: number;
  readonly address: string;
  readonly changeNow?: boolean;
  /** It was killed when the zone had its records: the next one knows of them by the stack's state alone. */
  readonly killed?: boolean;
  /** What is told: an error stops the update. */
  readonly told: RegExp;
}

const NOTHING = /^$/;
const OLD = "192.0.2.1";
const NEW = "192.0.2.2";

/** One update after the other, each with what the last one that succeeded left, and with what is in the zone. */
const STORIES: Readonly<Record<string, readonly Update[]>> = {
  "in two updates, when the old TTL is over": [
    { at: 0, ttl: 10_800, address: OLD, told: NOTHING },
    {
      at: 100,
      ttl: 300,
      address: OLD,
      told: /^the TTL goes from 10800 to 300 s: from 2026-11-01T03:01:40\.000Z on a change of host\.address/,
    },
    {
      at: 10_901,
      ttl: 300,
      address: NEW,
      told: /^mx\.a\.test A move: others follow within 300 s.* until 2026-11-01T03:06:41\.000Z/,
    },
    { at: 20_000, ttl: 10_800, address: NEW, told: NOTHING },
  ],
  "not in one, from a long TTL": [
    { at: 0, ttl: 10_800, address: OLD, told: NOTHING },
    {
      at: 50_000,
      ttl: 10_800,
      address: NEW,
      told: /^error: mx\.a\.test A: others remember .* 10800 s after.*semail:dns\.ttl: 300.*from 2026-11-01T16:53:20\.000Z on/,
    },
  ],
  "not in one that lowers the TTL at once": [
    { at: 0, ttl: 10_800, address: OLD, told: NOTHING },
    { at: 0, ttl: 300, address: NEW, told: /^error: .*10800 s after/ },
  ],
  "not before the old TTL is over, however often it is asked for": [
    { at: 0, ttl: 10_800, address: OLD, told: NOTHING },
    { at: 0, ttl: 300, address: OLD, told: /from 2026-11-01T03:00:00\.000Z on/ },
    { at: 5_000, ttl: 300, address: OLD, told: /^the TTL was lowered: from 2026-11-01T03:00:00\.000Z on/ },
    {
      at: 10_799,
      ttl: 300,
      address: NEW,
      told: /^error: .* until 2026-11-01T03:00:00\.000Z.*Run this update after that/,
    },
    { at: 10_800, ttl: 300, address: NEW, told: /^mx\.a\.test A move/ },
  ],
  "at once where that is wanted, with a warning": [
    { at: 0, ttl: 10_800, address: OLD, told: NOTHING },
    { at: 9, ttl: 10_800, address: NEW, changeNow: true, told: /^warning: mx\.a\.test A: others remember/ },
  ],
  "from an hour or less at once": [
    { at: 0, ttl: 3_600, address: OLD, told: NOTHING },
    { at: 9, ttl: 3_600, address: NEW, told: /^mx\.a\.test A move: others follow within 3600 s/ },
  ],
  "after a TTL that was lowered twice, by the longest that is remembered": [
    { at: 0, ttl: 86_400, address: OLD, told: NOTHING },
    { at: 0, ttl: 3_600, address: OLD, told: /from 2026-11-02T00:00:00\.000Z on/ },
    { at: 60, ttl: 300, address: OLD, told: /from 2026-11-02T00:00:00\.000Z on/ },
    { at: 4_000, ttl: 300, address: NEW, told: /^error: .* until 2026-11-02T00:00:00\.000Z/ },
  ],
  "not in one after an update that raised the TTL and was killed": [
    { at: 0, ttl: 300, address: OLD, told: NOTHING },
    { at: 100, ttl: 10_800, address: OLD, killed: true, told: NOTHING },
    { at: 200, ttl: 300, address: NEW, told: /^error: mx\.a\.test A: others remember .* 10800 s after/ },
    { at: 300, ttl: 300, address: OLD, told: /^the TTL goes from 10800 to 300 s: from 2026-11-01T03:05:00/ },
    { at: 11_099, ttl: 300, address: NEW, told: /^error: .* until 2026-11-01T03:05:00\.000Z/ },
    { at: 11_100, ttl: 300, address: NEW, told: /^mx\.a\.test A move: others follow within 300 s/ },
  ],
};

describe("a host moves", () => {
  for (const [name, updates] of Object.entries(STORIES))
    it(name, () => {
      let prior: DnsState | undefined;
      let published: RecordSpec[] = [];
      for (const { at: seconds, ttl, address, changeNow = false, killed = false, told } of updates) {
        const records = recordsOf(address, ttl);
        const facts = { records, ttl, prior, published, changeNow, now: at(seconds) };
        const { findings, notes, state } = planMove(facts);
        const text = findings.map(
          ({ severity, record, message, remedy }) => `${severity}: ${record}: ${message}. ${remedy}`,
        );
        assert.match([...text, ...notes].join("\n"), told, iso(seconds));
        if (findings.some(({ severity }) => severity === "error")) continue;
        published = records;
        if (!killed) prior = state;
      }
    });

  it("only the TTL of records that say where hosts are counts", () => {
    const ttl = 300;
    const facts = { ttl, published: recordsOf(OLD, ttl), changeNow: false, now: at(0) };
    const { state: prior } = planMove({ ...facts, records: recordsOf(OLD, ttl), prior: undefined });
    const published = facts.published.map((record) =>
      record.type === "TXT" ? { ...record, ttl: 10_800 } : record,
    );
    assert.deepEqual(planMove({ ...facts, records: recordsOf(NEW, ttl), prior, published }).findings, []);
  });

  it("when its MX record changes, too; new records and another order are no move", () => {
    const before = recordsOf(OLD, 10_800);
    const { state: prior } = planMove({
      records: before,
      ttl: 10_800,
      prior: undefined,
      published: [],
      changeNow: false,
      now: at(0),
    });
    const facts = { ttl: 10_800, prior, published: before, changeNow: false, now: at(1) };
    const mx = before.map((record) =>
      record.type === "MX" ? { ...record, values: ["10 other.test."] } : record,
    );
    assert.equal(planMove({ ...facts, records: mx }).findings[0]?.record, "a.test MX");
    const more: RecordSpec = { zone: "a.test", name: "imap", type: "A", ttl: 300, values: [NEW] };
    assert.deepEqual(planMove({ ...facts, records: [more, ...before.toReversed()] }).findings, []);
  });
});
