import { join } from "node:path";
import { z } from "zod";
import type { Context } from "../context.ts";
import { Fault } from "../fault.ts";
import { openSession, type SessionOptions } from "../session.ts";
import { writePrivate } from "../stack.ts";
import { renderSummary, Summary } from "../summary.ts";

const REMEDY = "Correct it, then run `npm run up` again: it goes on from where it stopped.";

/** Makes the stack true and says how to use it. */
export async function up(context: Context, options: SessionOptions): Promise<void> {
  const { stack, pulumi } = await openSession(context, options);
  context.say.doing(
    `updating the stack ${stack.name}`,
    "minutes the first time, seconds when nothing changed",
  );
  await pulumi.deploy(["up", "--yes", "--skip-preview", "--suppress-outputs"], REMEDY);
  context.say.done(`stack ${stack.name}`, "up to date");
  const outputs: unknown = JSON.parse(
    await pulumi.query(["stack", "output", "--json", "--show-secrets", "--stack", stack.name]),
  );
  const parsed = Summary.safeParse((outputs as { summary?: unknown }).summary);
  if (!parsed.success) {
    throw new Fault(
      "The stack is up, but its output `summary` is not what this command knows.",
      z.prettifyError(parsed.error),
    );
  }
  const caFile = join(stack.folder, "ca.pem");
  if (parsed.data.ca) writePrivate(caFile, parsed.data.ca);
  context.say.line(renderSummary(parsed.data, caFile));
}
