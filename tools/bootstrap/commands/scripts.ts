import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { ensureBaseImage } from "../base-image.ts";
import type { Context } from "../context.ts";
import { ensureEngine } from "../engine.ts";
import { Fault } from "../fault.ts";
import { run } from "../run.ts";
import { ensureProgramEnv } from "../session.ts";

const NODE = ["--disable-warning=ExperimentalWarning"];

/** Runs all checks; answers the exit code. */
export async function check(context: Context): Promise<number> {
  const { code } = await run(context, { file: "node", args: [...NODE, "tools/check.ts"], show: true });
  return code;
}

/** Writes or checks the generated pages. */
export async function docs(context: Context, options: { check: boolean }): Promise<number> {
  const args = [...NODE, "tools/docs.ts", ...(options.check ? ["--check"] : [])];
  const { code } = await run(context, { file: "node", args, show: true });
  return code;
}

/** Searches for faults of the protocol engine; needs neither Docker nor Pulumi. */
export async function fuzz(
  context: Context,
  { seconds = 60, seed }: { seconds: number | undefined; seed: number | undefined },
): Promise<number> {
  const args = [
    "test/fuzz/main.ts",
    `--seconds=${seconds}`,
    ...(seed === undefined ? [] : [`--seed=${seed}`]),
  ];
  const { code } = await run(context, { file: "node", args: [...NODE, ...args], show: true });
  return code;
}

/** Kills a daemon under load and counts its messages; what smtp-in delivers to is real containers. */
export async function crash(
  context: Context,
  [name = "smtp-in"]: readonly string[],
  { kills, seed, power }: { kills: number | undefined; seed: number | undefined; power: boolean },
): Promise<number> {
  if (name === "smtp-in" || power) await ensureBaseImage(context, await ensureEngine(context));
  const args = [
    "test/crash/main.ts",
    name,
    ...(power ? ["--power"] : []),
    ...(kills === undefined ? [] : [`--kills=${kills}`]),
    ...(seed === undefined ? [] : [`--seed=${seed}`]),
  ];
  const { code } = await run(context, { file: "node", args: [...NODE, ...args], show: true });
  return code;
}

/** Runs one benchmark with all that it may need. */
export async function bench(context: Context, [name, ...rest]: readonly string[]): Promise<number> {
  const folder = join(context.root, "bench");
  const names = readdirSync(folder).flatMap((file) => /^([a-z][a-z0-9-]*)\.ts$/.exec(file)?.[1] ?? []);
  if (name === undefined || !existsSync(join(folder, `${name}.ts`)) || !names.includes(name)) {
    throw new Fault(
      name ? `There is no benchmark "${name}".` : "Which benchmark?",
      `Name one of: ${names.join(", ") || "none yet"}.`,
    );
  }
  await ensureBaseImage(context, await ensureEngine(context));
  const env = await ensureProgramEnv(context);
  const { code } = await run(context, {
    file: "node",
    args: [...NODE, join("bench", `${name}.ts`), ...rest],
    env,
    show: true,
  });
  return code;
}
