import { ensureBaseImage } from "../base-image.ts";
import type { Context } from "../context.ts";
import { ensureEngine, stopEngine } from "../engine.ts";
import { Fault } from "../fault.ts";
import { ensureLibvirt } from "../libvirt.ts";
import { run } from "../run.ts";
import { ensureProgramEnv } from "../session.ts";

/**
 * The tests by their file, and the minutes after which what hangs is ended: twice what each takes on two cores that
 * emulate.
 */
const PARTS: Readonly<Record<string, { readonly file: string; readonly minutes: number }>> = {
  life: { file: "test/vm/life.ts", minutes: 12 },
  stack: { file: "test/vm/stack.ts", minutes: 30 },
};

/** Takes a mail VM, and a stack on one, through its life; answers the exit code of the test runner. */
export async function testVm(context: Context, names: readonly string[]): Promise<number> {
  const parts = (names.length > 0 ? names : Object.keys(PARTS)).map((name) => {
    const part = PARTS[name];
    if (part) return part;
    throw new Fault(`There is no part ${name} of the VM's test.`, `Name ${Object.keys(PARTS).join(" or ")}.`);
  });
  const stop = await ensureLibvirt(context);
  const engine = await ensureEngine(context);
  try {
    await ensureBaseImage(context, engine);
    const env = await ensureProgramEnv(context);
    for (const { file, minutes } of parts) {
      const limits = ["--test", `--test-timeout=${minutes * 60_000}`, "--test-reporter=spec"];
      const args = ["--disable-warning=ExperimentalWarning", ...limits, file];
      const { code } = await run(context, { file: "node", args, env, show: true });
      if (code !== 0) return code;
    }
    return 0;
  } finally {
    if (engine.startedPid !== undefined) await stopEngine(context, engine.startedPid);
    await stop();
  }
}
