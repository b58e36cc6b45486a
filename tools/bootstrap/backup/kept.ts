/** Mailboxes that were given up, whose mail is kept for a while. */
import { z } from "zod";
import type { Context } from "../context.ts";
import { Fault } from "../fault.ts";
import { readOutput } from "../session.ts";

/** Of the stack output `mailboxes`: one that was given up. */
const Kept = z.object({ id: z.string(), name: z.string(), until: z.string() });
export type Kept = z.infer<typeof Kept>;

/** What becomes of its mail. Only an update removes any (stacks/mailboxes/plan.ts), from the day after `until` on. */
export function keptLine(until: string, now: Date): string {
  return now.toISOString().slice(0, 10) > until
    ? `given up, its mail was kept until ${until} and goes with the next \`npm run up\``
    : `given up, its mail is kept until ${until}`;
}

/** None where no update has told yet. */
export async function keptMailboxes(context: Context, stack: string): Promise<Kept[]> {
  const output = await readOutput(context, stack, "mailboxes").catch((error: unknown) => {
    if (error instanceof Fault) return [];
    throw error;
  });
  return (Array.isArray(output) ? output : []).flatMap((each) => Kept.safeParse(each).data ?? []);
}
