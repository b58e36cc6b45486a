import assert from "node:assert/strict";
import { test } from "node:test";
import { dnsNotes } from "../../../tools/dns-notes.ts";

const NOW = new Date("2026-03-01T12:00:00.000Z");
const LATER = "2026-03-08T12:00:00.000Z";
const key = (key: number, role: string, until?: string) => ({
  ...{ key, role, ed25519: false, records: [] },
  ...(until === undefined ? {} : { until }),
});
const dkim = (phase: string, ...keys: object[]) => ({ phase, selector: "semail2", keys });
const dns = (rememberedUntil?: string) => ({
  ...{ ttl: 300, hosts: {} },
  ...(rememberedUntil === undefined ? {} : { rememberedUntil }),
});

const cases: [what: string, outputs: object, notes: string[]][] = [
  ["nothing is under way", { dkim: dkim("steady", key(2, "signs")), dns: dns() }, []],
  ["an older stack", {}, []],
  ["a time that is over", { dns: dns("2026-03-01T11:59:59.000Z") }, []],
  [
    "an old key that stays",
    { dkim: dkim("overlap", key(2, "signs"), key(1, "retired", LATER)) },
    [`Mail is signed with semail2; the record of semail1 stays until ${LATER}`],
  ],
  [
    "a new key that waits",
    { dkim: dkim("announced", key(2, "signs"), key(3, "announced")) },
    ["Mail is signed with semail2; semail3 waits for its records to be entered"],
  ],
  [
    "a domain that is given up, for as long as it is there",
    { dns: { ...dns(), left: { "b.test": LATER, "c.test": "2026-03-01T11:59:59.000Z" } } },
    [
      `b.test leaves: it has no MX record of the stack's any more, and its mail is still taken. Others may remember the record until ${LATER}: after that take it out of semail:domains and semail:leaving`,
      "c.test leaves: nobody remembers its MX record any more. Now take it out of semail:domains and semail:leaving",
    ],
  ],
  [
    "a TTL that was lowered",
    { dns: dns(LATER) },
    [`Others may remember records from before the TTL was lowered until ${LATER}`],
  ],
];
for (const [what, outputs, notes] of cases)
  test(`what is under way in DNS: ${what}`, () => assert.deepEqual(dnsNotes(outputs, NOW), notes));
