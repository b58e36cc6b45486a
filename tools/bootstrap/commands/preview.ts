import type { Context } from "../context.ts";
import { openSession, type SessionOptions } from "../session.ts";

/** Shows what `up` would change. */
export async function preview(context: Context, options: SessionOptions & { diff: boolean }): Promise<void> {
  const { pulumi } = await openSession(context, options);
  await pulumi.deploy(["preview", ...(options.diff ? ["--diff"] : [])], "Correct it, then run this again.");
}
