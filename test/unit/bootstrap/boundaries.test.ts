import assert from "node:assert/strict";
import { test } from "node:test";
import { boundaryProblems } from "../../../tools/check/boundaries.ts";

const long = "const x = 1;\n".repeat(301);
const table: [name: string, file: string, text: string, problems: RegExp[]][] = [
  [
    "a daemon part reads the environment",
    "mailserver/net/a.ts",
    "\nconst x = process.env.HOME;",
    [/a\.ts:2 uses process\.env/],
  ],
  ["a daemon part ends the process", "mailserver/net/a.ts", "process.exit(1)", [/process\.exit/]],
  ["a daemon's main does both", "mailserver/smtp-in/main.ts", "process.exit(Number(process.env.X))", []],
  [
    "a comment and a string say so only",
    "mailserver/net/a.ts",
    '// process.env\nconst x = "process.exit";',
    [],
  ],
  [
    "other uses of process are fine",
    "mailserver/net/a.ts",
    "process.nextTick(() => 1); process.hrtime.bigint()",
    [],
  ],
  ["tools are no daemon", "tools/x.ts", "process.exit(1)", []],
  ["a file of more than 300 lines", "stacks/a.ts", long, [/301 lines/]],
  ["a long test", "test/unit/a.test.ts", long, []],
];
for (const [name, file, text, problems] of table) {
  test(`boundaries: ${name}`, () => {
    const found = boundaryProblems(file, text);
    assert.equal(found.length, problems.length);
    for (const [index, problem] of problems.entries()) assert.match(found[index] ?? "", problem);
  });
}
