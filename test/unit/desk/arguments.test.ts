import assert from "node:assert/strict";
import { test } from "node:test";
import { type Parsed, parseDesk } from "../../../mailserver/desk/arguments.ts";

const understood: readonly [string, Parsed][] = [
  ["", { request: { verb: "list", limit: 100 }, json: false }],
  ["list --state held --limit 7 --json", { request: { verb: "list", state: "held", limit: 7 }, json: true }],
  ["show a", { request: { verb: "show", ids: ["a"] }, json: false }],
  ["drop a b", { request: { verb: "drop", ids: ["a", "b"] }, json: false }],
  ["restore a", { request: { verb: "restore", ids: ["a"] }, json: false }],
  ["flush", { request: { verb: "flush" }, json: false }],
];
for (const [words, parsed] of understood) {
  test(`understands: queue ${words}`, () =>
    assert.deepEqual(parseDesk(words.split(" ").filter(Boolean)), parsed));
}

const refused: readonly [string, RegExp][] = [
  ["empty", /no `queue empty`.*\nUsage/],
  ["hold", /hold needs the id of an item: `queue list` shows them/],
  ["restore", /restore needs the id/],
  ["list a", /list takes no id/],
  ["flush a", /`queue retry ID`/],
  ["list --limit 0", /from 1 to 10000/],
  ["list --limit many", /from 1 to 10000/],
  ["list --state lost", /held or deferred/],
  ["show a --state held", /for `queue list`/],
  ["list --all", /Usage/],
  [`show ${"x".repeat(65)}`, /1 to 64/],
];
for (const [words, fault] of refused) {
  test(`refuses, and says what to write: queue ${words}`, () => {
    const parsed = parseDesk(words.split(" "));
    assert.match("fault" in parsed ? parsed.fault : "", fault);
  });
}
