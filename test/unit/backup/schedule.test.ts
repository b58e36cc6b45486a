/** When snapshots are taken by themselves. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { nextRun, type Run, toSave } from "../../../operator/backup-timer/schedule.ts";

const at = (time: string): number => Date.parse(`2026-03-${time}Z`);
const run = (startedAt: string, endedAt: string, failed: string[] = [], retries = 0): Run => ({
  ...{ startedAt: at(startedAt), endedAt: at(endedAt), failed, retries },
});

const cases: [what: string, times: string[], last: Run | undefined, wanted: string][] = [
  ["without any run before: at once", ["02:30"], undefined, "10T12:00"],
  ["later on the same day", ["14:30"], run("10T02:30", "10T02:40"), "10T14:30"],
  ["on the next day", ["02:30"], run("10T02:30", "10T02:40"), "11T02:30"],
  ["at the first of several", ["22:00", "14:30", "02:30"], run("10T02:30", "10T02:40"), "10T14:30"],
  ["at midnight", ["00:00"], run("09T23:59", "09T23:59"), "10T00:00"],
  ["when it was missed: then, which is over", ["02:30"], run("07T02:30", "07T02:40"), "08T02:30"],
  ["half an hour after a failure", ["02:30"], run("10T02:30", "10T02:40", ["bob"]), "10T03:10"],
  ["an hour after it failed again", ["02:30"], run("10T02:30", "10T03:15", ["bob"], 1), "10T04:15"],
  [
    "four hours after it did so for the third time",
    ["02:30"],
    run("10T02:30", "10T06:20", ["bob"], 3),
    "10T10:20",
  ],
  [
    "at the next time of day, however often it failed",
    ["02:30"],
    run("10T02:30", "10T23:00", ["bob"], 6),
    "11T02:30",
  ],
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
    test(what, () => assert.equal(nextRun(times, last, at("10T12:00")).at, at(wanted)));
});

const NAMES = ["alice", "bob", "the directory"];
const saved: [what: string, times: string[], last: Run | undefined, names: string[]][] = [
  ["everybody, without any run before", ["02:30"], undefined, NAMES],
  ["everybody, at a time of day", ["02:30"], run("10T02:30", "10T02:40"), NAMES],
  [
    "everybody, at a time of day before the retry",
    ["02:30", "03:00"],
    run("10T02:30", "10T02:40", ["bob"]),
    NAMES,
  ],
  ["what failed, between two of them", ["02:30"], run("10T02:30", "10T02:40", ["bob", "gone"]), ["bob"]],
  [
    "everybody, when nobody could tell who there is",
    ["02:30"],
    run("10T02:30", "10T02:40", ["everything"]),
    NAMES,
  ],
];

describe("a run saves", () => {
  for (const [what, times, last, names] of saved)
    test(what, () => assert.deepEqual(toSave(NAMES, nextRun(times, last, at("10T12:00")).retryOf), names));
});
