import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { it } from "node:test";
import { parseConfig, rawFileConfig } from "../../../stacks/check-config.ts";

const text = readFileSync(join(import.meta.dirname, "../../../Pulumi.prod.yaml"), "utf8");

/** What is wrong with a config of that text. */
const problemsOf = (config: string) => parseConfig(rawFileConfig(config, "semail") ?? {}).problems;

it("the example for production is right, and holds no secret", () => {
  assert.deepEqual(problemsOf(text), []);
  assert.doesNotMatch(text, /secure:|token:/i);
});

it("what it has commented out is right, too", () => {
  const all = text.replaceAll(/^( +)# ((?:address6|signed|adoptExisting|directory):)/gm, "$1$2");
  assert.equal(all.split("\n").filter((line, index) => line !== text.split("\n")[index]).length, 4);
  assert.deepEqual(problemsOf(all), []);
});
