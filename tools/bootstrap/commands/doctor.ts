import { z } from "zod";
import { examine } from "../../doctor/examine.ts";
import { render, renderJson, tally } from "../../doctor/render.ts";
import { StackFacts } from "../../doctor/stack-facts.ts";
import type { Check } from "../../doctor/types.ts";
import { type Context, sayWith } from "../context.ts";
import { Fault } from "../fault.ts";
import { readOutput } from "../session.ts";

/** How long silence is listened to, by who asks for the doctor. */
const PATIENCE_MS = 10_000;

/** Says what is wrong with what the world sees of a stack; answers the exit code. */
export async function doctor(
  context: Context,
  { stack, json }: { stack: string; json: boolean },
): Promise<number> {
  // What is read by a machine is alone on standard output.
  const quiet = json ? { ...context, say: sayWith(console.error) } : context;
  const checks = await examineStack(await readOutput(quiet, stack, "summary"), PATIENCE_MS);
  context.say.line(json ? renderJson(stack, checks) : render(checks));
  return tally(checks).errors > 0 ? 1 : 0;
}

/** The checks of the stack whose output `summary` it is; what isn't heard of within `budgetMs` is silent. */
export async function examineStack(summary: unknown, budgetMs: number): Promise<Check[]> {
  const facts = StackFacts.safeParse(summary);
  if (facts.success) return examine(facts.data, { now: Date.now, budgetMs });
  throw new Fault(
    "The stack's output `summary` is not what this command knows.",
    `Run \`npm run up\` once: another version made it.\n${z.prettifyError(facts.error)}`,
  );
}
