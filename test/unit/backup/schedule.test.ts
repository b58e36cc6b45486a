/** When snapshots are taken by themselves. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { nextRun, type Run } from "../../../operator/backup-timer/schedule.ts";

const at = (time: string): number => Date.parse(`2026-03-${time}Z`);
const run = (startedAt: string, endedAt: string, failed: string[] = []): Run => ({
  ...{ startedAt: at(startedAt), endedAt: at(endedAt), failed },
});

const cases: [what: string, times: string[], last: Run | undefined, wanted: string][] = [
  ["without any run before: at once", ["02:30"], undefined, "10T12:00"],
  ["later on the same day", ["14:30"], run("10T02:30", "10T02:40"), "10T14:30"],
  ["on the next day", ["02:30"], run("10T02:30", "10T02:40"), "11T02:30"],
  ["at the first of several", ["22:00", "14:30", "02:30"], run("10T02:30", "10T02:40"), "10T14:30"],
  ["at midnight", ["00:00"], run("09T23:59", "09T23:59"), "10T00:00"],
  ["when it was missed: then, which is over", ["02:30"], run("07T02:30", "07T02:40"), "08T02:30"],
  ["half an hour after a failure", ["02:30"], run("10T02:30", "10T02:40", ["bob"]), "10T03:10"],
  ["not after the next time of day", ["02:30", "03:00"], run("10T02:30", "10T02:40", ["bob"]), "10T03:00"],
  ["at once, when the clock was ahead at the last one", ["02:30"], run("11T02:30", "11T02:40"), "10T12:00"],
  [
    "at once, when one took longer than to the next",
    ["02:30", "03:00"],
    run("10T02:30", "10T04:00"),
    "10T03:00",
  ],
];

describe("snapshots are due", () => {
  for (const [what, times, last, wanted] of cases)
    test(what, () => assert.equal(nextRun(times, last, at("10T12:00")), at(wanted)));
});
