/** All checks, a line each; what a failed one said stands below its line. Fails when any of them does. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { boundaryProblems } from "./check/boundaries.ts";

const root = dirname(import.meta.dirname);

/** Undefined when all is well, else what is wrong. */
type Check = () => Promise<string | undefined>;

function program(file: string, args: readonly string[]): Check {
  return async () => {
    const { failed, all } = await execa(file, args, {
      cwd: root,
      preferLocal: true,
      reject: false,
      all: true,
      stdin: "ignore",
    });
    return failed ? all || `${file} failed` : undefined;
  };
}

const CODE = ["index.ts", "stacks", "components", "sdks", "mailserver", "operator", "tools", "test", "bench"];

function sources(): string[] {
  const folders = CODE.filter((name) => !name.endsWith(".ts") && existsSync(join(root, name)));
  const files = folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true }).map((file) => join(folder, String(file))),
  );
  const foreign = /(^|\/)(node_modules|images)\//;
  return ["index.ts", ...files.filter((file) => file.endsWith(".ts") && !foreign.test(file))];
}

async function boundaries(): Promise<string | undefined> {
  const problems = sources().flatMap((file) =>
    boundaryProblems(file, readFileSync(join(root, file), "utf8")),
  );
  return problems.length > 0 ? problems.join("\n") : undefined;
}

const CHECKS: readonly (readonly [name: string, check: Check])[] = [
  ["types", program("tsc", ["--noEmit", "--pretty", "false", "-p", "."])],
  ["lint and format", program("biome", ["check", "--error-on-warnings", "."])],
  ["import rules", program("depcruise", ["--config", ".dependency-cruiser.cjs", ...CODE])],
  ["boundaries", boundaries],
  ["generated docs", program("node", ["--disable-warning=ExperimentalWarning", "tools/docs.ts", "--check"])],
];

let failures = 0;
for (const [name, check] of CHECKS) {
  const started = performance.now();
  const problem = await check();
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(problem === undefined ? `✓ ${name} (${seconds} s)` : `✗ ${name}\n${problem}\n`);
  if (problem !== undefined) failures += 1;
}
if (failures > 0) console.log(`${failures} of ${CHECKS.length} checks failed.`);
process.exitCode = failures > 0 ? 1 : 0;
