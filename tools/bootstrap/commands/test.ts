import { readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, relative, resolve } from "node:path";
import { ensureBaseImage } from "../base-image.ts";
import type { Context, Env } from "../context.ts";
import { type Engine, ensureEngine, stopEngine } from "../engine.ts";
import { Fault } from "../fault.ts";
import { run } from "../run.ts";
import { ensureProgramEnv } from "../session.ts";
import { selectTests, unitOnly } from "../test-files.ts";

/** A file that hangs must not hang the run; the slowest stack test takes minutes. */
const FILE_LIMIT_MS = 20 * 60_000;

export interface TestOptions {
  readonly paths: readonly string[];
  readonly concurrency: number | undefined;
  readonly unit: boolean;
}

function testFiles(root: string): string[] {
  return readdirSync(join(root, "test"), { recursive: true }).map((file) => join("test", String(file)));
}

/** Runs the tests; answers the exit code of the test runner. */
export async function test(context: Context, options: TestOptions): Promise<number> {
  const wanted = options.paths.map((path) => relative(context.root, resolve(context.root, path)) || ".");
  const files = selectTests(testFiles(context.root), options.unit ? ["test/unit", "test/dialogues"] : wanted);
  if (files.length === 0)
    throw new Fault(
      `There is no test in ${wanted.join(", ")}.`,
      "Name a folder or a *.test.ts file below test/.",
    );
  if (unitOnly(files)) return runTests(context, files, options);
  const engine = await ensureEngine(context);
  try {
    await ensureBaseImage(context, engine);
    return await runTests(context, files, { ...options, env: await ensureProgramEnv(context) });
  } finally {
    await stopOwn(context, engine);
  }
}

async function stopOwn(context: Context, { startedPid }: Engine): Promise<void> {
  if (startedPid !== undefined) await stopEngine(context, startedPid);
}

async function runTests(
  context: Context,
  files: readonly string[],
  options: TestOptions & { env?: Env },
): Promise<number> {
  const { env = {} } = options;
  const concurrency = options.concurrency ?? Math.max(2, Math.floor(availableParallelism() / 2));
  const args = [
    "--disable-warning=ExperimentalWarning",
    "--test",
    `--test-concurrency=${concurrency}`,
    `--test-timeout=${FILE_LIMIT_MS}`,
    "--test-reporter=spec",
    ...files,
  ];
  const { code } = await run(context, { file: "node", args, env, show: true });
  return code;
}
