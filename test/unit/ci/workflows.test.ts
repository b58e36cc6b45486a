/** The CI files name commands that exist, and none of them hands a secret to code that is under review. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { it } from "node:test";
import { parse } from "yaml";
import { z } from "zod";
import commands from "../../../tools/bootstrap/commands.json" with { type: "json" };

const ROOT = join(import.meta.dirname, "../../..");
const FOLDER = ".github/workflows";
const WORKFLOWS = readdirSync(join(ROOT, FOLDER)).map((file) => join(FOLDER, file));
const read = (file: string): string => readFileSync(join(ROOT, file), "utf8");
const scripts = (JSON.parse(read("package.json")) as { scripts: Record<string, string> }).scripts;

const Step = z.strictObject({
  name: z.string().optional(),
  id: z.string().optional(),
  if: z.string().optional(),
  uses: z
    .string()
    .regex(/^[\w-]+\/[\w-]+@v\d+\.\d+\.\d+$/, "pinned by version")
    .optional(),
  with: z.record(z.string(), z.unknown()).optional(),
  env: z.record(z.string(), z.string()).optional(),
  run: z.string().optional(),
});
const Workflow = z.object({
  name: z.string(),
  on: z.record(z.string(), z.unknown()),
  permissions: z.record(z.string(), z.enum(["read", "write"])),
  concurrency: z.object({ group: z.string(), "cancel-in-progress": z.boolean() }),
  jobs: z.record(
    z.string(),
    z.object({
      "runs-on": z.union([z.string(), z.array(z.string())]),
      "timeout-minutes": z.number(),
      steps: z.array(Step).min(1),
    }),
  ),
});

/** Options of a command, by its name. */
function optionsOf(name: string): Set<string> {
  const command = (commands as unknown as Record<string, { options: object } | undefined>)[name];
  return new Set(Object.keys(command?.options ?? {}));
}

for (const file of WORKFLOWS) {
  it(`${file} has permissions, time limits and pinned actions`, () => {
    Workflow.parse(parse(read(file)));
  });
}

for (const file of [...WORKFLOWS, ".gitlab-ci.yml"]) {
  it(`${file} names npm scripts, options and files that exist`, () => {
    const text = read(file);
    parse(text, { merge: true });
    const runs = [...text.matchAll(/npm run ([a-z]+)(?: -- ([^\n|;&]*))?/g)];
    assert.ok(runs.length > 0);
    for (const [, name = "", args = ""] of runs) {
      assert.ok(name in scripts, `npm run ${name}`);
      for (const [, option = ""] of args.matchAll(/--([a-z-]+)/g))
        assert.ok(optionsOf(name).has(option), `npm run ${name} -- --${option}`);
    }
    for (const [, path = ""] of text.matchAll(/node (tools\/\S+)/g))
      assert.ok(existsSync(join(ROOT, path)), path);
  });
}

it("what runs on a pull request is given no secret and no machine of ours", () => {
  const text = read(join(FOLDER, "preview.yml"));
  assert.doesNotMatch(text, /secrets\.|pull_request_target|self-hosted|workflow_run/);
  assert.match(text, /persist-credentials: false/);
});

it("no text that the author of a pull request chose is put into a shell line", () => {
  for (const file of WORKFLOWS) {
    for (const job of Object.values(Workflow.parse(parse(read(file))).jobs)) {
      for (const { run = "" } of job.steps)
        assert.doesNotMatch(run, /\$\{\{(?!\s*github\.event\.pull_request\.base\.sha\s*\}\})/);
    }
  }
});

it("actionlint finds nothing", { timeout: 300_000 }, () => {
  // Go is there: the tools are built with it.
  const linter = ["run", "github.com/rhysd/actionlint/cmd/actionlint@v1.7.7"];
  const { status, stdout, stderr } = spawnSync("go", [...linter, ...WORKFLOWS], {
    cwd: ROOT,
    encoding: "utf8",
  });
  assert.equal(status, 0, stdout + stderr);
});
