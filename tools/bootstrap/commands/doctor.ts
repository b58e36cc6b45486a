import { z } from "zod";
import { type ExamineOptions, examine } from "../../doctor/examine.ts";
import { render, renderJson, tally } from "../../doctor/render.ts";
import { StackFacts } from "../../doctor/stack-facts.ts";
import type { Check } from "../../doctor/types.ts";
import { type Context, sayWith } from "../context.ts";
import { Fault } from "../fault.ts";
import { examineHost } from "../host-boot.ts";
import { readOutput } from "../session.ts";
import { openStack } from "../stack.ts";

/** How long silence is listened to, by who asks for the doctor. */
const PATIENCE_MS = 10_000;

export interface DoctorOptions {
  readonly stack: string;
  readonly json: boolean;
  /** Whose logging in is tried. */
  readonly user?: string | undefined;
}

/** Not an argument: everybody on the machine sees those. */
function passwordOf({ env }: Context): string {
  const { SEMAIL_DOCTOR_PASSWORD: password } = env;
  if (password) return password;
  throw new Fault("There is no password to log in with.", "Set SEMAIL_DOCTOR_PASSWORD to it.");
}

/** Says what is wrong with what the world sees of a stack; answers the exit code. */
export async function doctor(context: Context, { stack, json, user }: DoctorOptions): Promise<number> {
  const login = user === undefined ? undefined : { user, password: passwordOf(context) };
  // What is read by a machine is alone on standard output.
  const quiet = json ? { ...context, say: sayWith(console.error) } : context;
  const summary = await readOutput(quiet, stack, "summary");
  const seen = [
    examineStack(summary, { budgetMs: PATIENCE_MS, login }),
    examineHost(quiet, openStack(quiet, stack)),
  ];
  const checks = (await Promise.all(seen)).flat();
  context.say.line(json ? renderJson(stack, checks) : render(checks));
  return tally(checks).errors > 0 ? 1 : 0;
}

/** The checks of the stack whose output `summary` it is; what isn't heard of within `budgetMs` is silent. */
export async function examineStack(
  summary: unknown,
  options: Pick<ExamineOptions, "budgetMs" | "login">,
): Promise<Check[]> {
  const facts = StackFacts.safeParse(summary);
  if (facts.success) return examine(facts.data, { now: Date.now, ...options });
  throw new Fault(
    "The stack's output `summary` is not what this command knows.",
    `Run \`npm run up\` once: another version made it.\n${z.prettifyError(facts.error)}`,
  );
}
