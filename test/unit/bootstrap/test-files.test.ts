import assert from "node:assert/strict";
import { test } from "node:test";
import { selectTests, unitOnly } from "../../../tools/bootstrap/test-files.ts";

const files = [
  "test/stack/all.test.ts",
  "test/integration/box/lmtp.test.ts",
  "test/unit/smtp/b.test.ts",
  "test/unit/smtp/a.test.ts",
  "test/components/x.test.ts",
  "test/support/docker.ts",
];

const selections: [wanted: string[], selected: string[]][] = [
  [
    [],
    [
      "test/unit/smtp/a.test.ts",
      "test/unit/smtp/b.test.ts",
      "test/components/x.test.ts",
      "test/integration/box/lmtp.test.ts",
      "test/stack/all.test.ts",
    ],
  ],
  [["test/unit"], ["test/unit/smtp/a.test.ts", "test/unit/smtp/b.test.ts"]],
  [["./test/unit/smtp/"], ["test/unit/smtp/a.test.ts", "test/unit/smtp/b.test.ts"]],
  [
    ["test/unit/smtp/a.test.ts", "test/stack"],
    ["test/unit/smtp/a.test.ts", "test/stack/all.test.ts"],
  ],
  [["test/uni"], []],
  [["test/support"], []],
];
for (const [wanted, selected] of selections) {
  test(`npm test -- ${wanted.join(" ")}`, () => assert.deepEqual(selectTests(files, wanted), selected));
}

test("unit tests alone need no engine", () => {
  assert.equal(unitOnly(["test/unit/a.test.ts", "test/dialogues/b.test.ts"]), true);
  assert.equal(unitOnly(["test/unit/a.test.ts", "test/stack/b.test.ts"]), false);
});
