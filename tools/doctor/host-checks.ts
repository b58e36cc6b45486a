/** What a host's answers mean for its mail. Pure. */
import type { BootCheck } from "../remote/boot.ts";
import type { Check } from "./types.ts";

const RULE = "after a reboot, docs/operations.md";

/** The checks of a host that was looked at. */
export function hostChecks(found: readonly BootCheck[]): Check[] {
  return found.map(({ about, unit, trouble, unknown }) => ({
    ...{ area: "Host", about, unknown },
    findings: trouble
      ? [{ severity: "error", rule: RULE, record: unit, message: trouble.cause, remedy: trouble.remedy }]
      : [],
  }));
}

/** The check of one that can't be looked at. */
export const unseenHost = (why: string): Check => ({
  ...{ area: "Host", about: "starts again by itself", findings: [], unknown: why },
});
