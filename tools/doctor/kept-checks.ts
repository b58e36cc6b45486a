/** Judges what becomes of the mail of mailboxes that were given up. Pure. */
import type { StackFacts } from "./stack-facts.ts";
import type { Check } from "./types.ts";

/** Only an update removes such mail (stacks/mailboxes/plan.ts), from the day after `until` on: without one it stays. */
export function checkKept(kept: StackFacts["kept"], now: number): Check[] {
  const today = new Date(now).toISOString().slice(0, 10);
  return kept.map(({ id, until }) => ({
    area: "Kept mail",
    about: `mail of ${id}, until ${until}`,
    findings:
      today > until
        ? [
            {
              severity: "warning",
              rule: "semail:retention",
              record: `mail of ${id}`,
              message: `it was to be kept until ${until}, and is still there`,
              remedy:
                "The next `npm run up` removes it; the portal's updates don't. To keep it, raise semail:retention before.",
            },
          ]
        : [],
  }));
}
