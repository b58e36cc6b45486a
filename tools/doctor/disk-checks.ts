/** Judges whether a box that is broken into can fill the host's disk. Pure. */
import type { StackFacts } from "./stack-facts.ts";
import type { Check } from "./types.ts";

/** The check of a host whose file system is to limit each box; none where only the host itself reaches the stack. */
export function checkDisks({ diskTroubles, address, bind }: StackFacts): Check[] {
  const isPrivate = address === undefined && bind.startsWith("127.");
  if (diskTroubles === undefined || isPrivate) return [];
  return [
    {
      area: "Host",
      about: "its file system limits what each box may have",
      findings: diskTroubles.map((why) => ({
        severity: "warning",
        rule: "semail:boxes.diskLimits",
        record: "the boxes' volumes",
        message: `a box that is broken into can fill the disk: ${why}`,
        remedy:
          "Give it quotas for users (docs/operations.md, A box's disk), then `npm run up -- --refresh`; or say `semail:boxes.diskLimits: off`.",
      })),
    },
  ];
}
