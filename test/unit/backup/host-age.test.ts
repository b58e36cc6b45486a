import assert from "node:assert/strict";
import { test } from "node:test";
import { keeping, later } from "../../../tools/bootstrap/backup/host-age.ts";

const NOW = new Date("2026-03-10T12:00:00Z");
const cases: readonly (readonly [name: string, made: string | undefined, args: readonly string[]])[] = [
  ["a host that was just made lets go of nothing", "2026-03-10T11:59:00Z", ["--keep-all"]],
  ["nor does one that is made for less than a week", "2026-03-03T12:00:01Z", ["--keep-all"]],
  ["an older one lets go of what nobody asks to keep", "2026-03-03T12:00:00Z", []],
  [
    "one of which nobody knows its age lets go of nothing: it may be new, and not well yet",
    undefined,
    ["--keep-all"],
  ],
];
for (const [name, made, args] of cases)
  test(name, () => assert.deepEqual(keeping(made === undefined ? undefined : new Date(made), NOW), args));

const [old, young] = [new Date("2026-01-01"), new Date("2026-03-09")];
for (const [name, host, volume, expected] of [
  ["a volume that was made anew on an older host counts", old, young, young],
  ["an older one does not, as of a directory that was made anew", young, old, young],
  ["nor does one whose age is not known", old, undefined, old],
  ["of a host whose age is not known a volume says nothing", undefined, old, undefined],
] as const)
  test(name, () => assert.equal(later(host, volume), expected));
