import assert from "node:assert/strict";
import { test } from "node:test";
import { keeping } from "../../../tools/bootstrap/backup/host-age.ts";

const NOW = new Date("2026-03-10T12:00:00Z");
const cases: readonly (readonly [name: string, made: string | undefined, args: readonly string[]])[] = [
  ["a host that was just made lets go of nothing", "2026-03-10T11:59:00Z", ["--keep-all"]],
  ["nor does one that is made for less than a week", "2026-03-03T12:00:01Z", ["--keep-all"]],
  ["an older one lets go of what nobody asks to keep", "2026-03-03T12:00:00Z", []],
  ["so does one of which nobody knows its age", undefined, []],
];
for (const [name, made, args] of cases)
  test(name, () => assert.deepEqual(keeping(made === undefined ? undefined : new Date(made), NOW), args));
