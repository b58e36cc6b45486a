import type { Context } from "../context.ts";
import { ensureLibvirt } from "../libvirt.ts";
import { run } from "../run.ts";

/** Of the whole test, which takes half of it on two cores that emulate: what hangs must not hang the run. */
const LIMIT_MS = 10 * 60_000;

/** Takes a mail VM through its life; answers the exit code of the test runner. */
export async function testVm(context: Context): Promise<number> {
  const stop = await ensureLibvirt(context);
  try {
    const args = ["--disable-warning=ExperimentalWarning", "--test", `--test-timeout=${LIMIT_MS}`];
    const file = "test/vm/life.ts";
    const options = ["--test-reporter=spec", file];
    const { code } = await run(context, { file: "node", args: [...args, ...options], show: true });
    return code;
  } finally {
    await stop();
  }
}
