/** What programs are told by their environment about the command that runs them. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { sayWith } from "../../../tools/bootstrap/context.ts";
import { type Pulumi, pulumiFor } from "../../../tools/bootstrap/pulumi.ts";
import type { Stack } from "../../../tools/bootstrap/stack.ts";

let root: string;
let pulumi: Pulumi;

before(async () => {
  root = await mkdtemp(join(tmpdir(), "semail-t-env-"));
  // In place of Pulumi: writes down what it was started with.
  await writeFile(join(root, "pulumi"), `#!/bin/sh\nenv >"${root}/env"\necho '{}'\n`, { mode: 0o755 });
  const env = { PATH: `${root}:${process.env.PATH}` };
  const { signal } = new AbortController();
  const context = { root, env, signal, hurry: signal, say: sayWith(() => {}) };
  const stack = { name: "test", configFile: join(root, "Pulumi.test.yaml") } as Stack;
  pulumi = pulumiFor(context, stack, { env, color: false });
});

after(() => rm(root, { recursive: true, force: true }));

const told = async () => {
  const env = await readFile(join(root, "env"), "utf8");
  return ["SEMAIL_REFRESHES", "PULUMI_SKIP_CHECKPOINTS"].filter((name) => env.includes(`${name}=`));
};

const commands: [args: string[], wanted: string[]][] = [
  [["up"], []],
  [["up", "--refresh"], ["SEMAIL_REFRESHES"]],
  [["preview"], ["PULUMI_SKIP_CHECKPOINTS"]],
  [
    ["preview", "--diff", "--refresh"],
    ["SEMAIL_REFRESHES", "PULUMI_SKIP_CHECKPOINTS"],
  ],
];
for (const [args, wanted] of commands) {
  test(`a program knows what runs it: ${args.join(" ")}`, async () => {
    await pulumi.deploy(args, "");
    assert.deepEqual(await told(), wanted);
  });
}

test("and so does that of a preview as JSON", async () => {
  await pulumi.previewJson(["--refresh"]);
  assert.deepEqual(await told(), ["SEMAIL_REFRESHES", "PULUMI_SKIP_CHECKPOINTS"]);
  await pulumi.previewJson([]);
  assert.deepEqual(await told(), ["PULUMI_SKIP_CHECKPOINTS"]);
});
