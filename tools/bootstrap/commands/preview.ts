import { describeAbsent, findAbsent } from "../absent.ts";
import { checkStackConfig } from "../check-config.ts";
import type { Context } from "../context.ts";
import { openSession, type SessionOptions } from "../session.ts";

/** Shows what `up` would change. */
export async function preview(
  context: Context,
  options: SessionOptions & { diff: boolean; refresh: boolean },
): Promise<void> {
  const { engine, stack, pulumi } = await openSession(context, options, checkStackConfig);
  const flags = [...(options.diff ? ["--diff"] : []), ...(options.refresh ? ["--refresh"] : [])];
  await pulumi.deploy(["preview", ...flags], "Correct it, then run this again.");
  const absent = await findAbsent(engine.docker, stack);
  if (absent.length > 0)
    context.say.line(`! Behind Pulumi's back: ${describeAbsent(absent)}. \`npm run up\` puts it right.`);
}
