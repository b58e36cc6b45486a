/** What the doctor makes of boxes that can fill the host's disk. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { checkDisks } from "../../../tools/doctor/disk-checks.ts";
import type { StackFacts } from "../../../tools/doctor/stack-facts.ts";
import { said } from "./said.ts";

const ROWS: readonly (readonly [
  what: string,
  facts: Partial<Pick<StackFacts, "diskTroubles" | "address" | "bind">>,
  checks: number,
  findings: readonly string[],
])[] = [
  ["all are limited", { diskTroubles: [] }, 1, []],
  [
    "none is",
    { diskTroubles: ["ext4 on /dev/sda1 is mounted without usrquota"] },
    1,
    ["warning: a box that is broken into can fill the disk: ext4 on /dev/sda1 is mounted without usrquota"],
  ],
  ["nobody asked for it", {}, 0, []],
  ["none is, where only the host itself reaches them", { diskTroubles: ["x"], bind: "127.0.0.1" }, 0, []],
  [
    "none is, behind a public address",
    { diskTroubles: ["x"], bind: "127.0.0.1", address: "192.0.2.1" },
    1,
    ["warning: a box that is broken into can fill the disk: x"],
  ],
];

for (const [what, facts, checks, findings] of ROWS) {
  test(`boxes' disks, of which ${what}`, () => {
    const found = checkDisks({ bind: "0.0.0.0", ...facts } as StackFacts);
    assert.equal(found.length, checks);
    assert.deepEqual(said(found), findings);
  });
}
