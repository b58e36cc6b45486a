import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { parse } from "yaml";
import { z } from "zod";
import { LOG_EVENTS } from "../../../mailserver/log-events.ts";
import { COUNTERS, GAUGES, TIMES } from "../../../mailserver/metrics/catalog.ts";
import { operationsPage } from "../../../tools/docs.ts";

const page = readFileSync(new URL("../../../docs/operations.md", import.meta.url), "utf8");
const Rules = z.object({
  groups: z.array(z.object({ rules: z.array(z.object({ alert: z.string(), expr: z.string() })) })),
});
const { groups } = Rules.parse(parse(/```yaml\n(.*?)```/s.exec(page)?.[1] ?? ""));

describe("the rules for Prometheus in docs/operations.md", () => {
  const known = new Set([
    ...Object.keys({ ...COUNTERS, ...GAUGES }),
    ...Object.keys(TIMES).flatMap((name) => ["bucket", "sum", "count"].map((part) => `${name}_${part}`)),
  ]);
  for (const { alert, expr } of groups.flatMap(({ rules }) => rules)) {
    test(`${alert} asks for metrics and events that exist`, () => {
      for (const [name] of expr.matchAll(/semail_\w+/g)) assert.ok(known.has(name), name);
      for (const [, event = ""] of expr.matchAll(/event="([^"]*)"/g)) assert.ok(event in LOG_EVENTS, event);
    });
  }
});

test("the tables of docs/operations.md are made anew, and nothing else", () => {
  const stale = page.replace(/\n\| `daemon\.ready`.*/, "").replace(/\n\| `semail_sessions`.*/, "");
  assert.notEqual(stale, page);
  assert.equal(operationsPage(stale), page);
  assert.throws(() => operationsPage(page.replace("<!-- generated: metrics -->", "")), /"metrics"/);
});
