/** What a host's answers mean for its mail. Pure. */
import type { HostCheck } from "../remote/boot.ts";
import type { Check } from "./types.ts";

/** The checks of a host that was looked at. */
export function hostChecks(found: readonly HostCheck[]): Check[] {
  return found.map(({ about, rule, record, trouble, unknown }) => ({
    ...{ area: "Host", about, unknown },
    findings: trouble
      ? [{ severity: "error", rule, record, message: trouble.cause, remedy: trouble.remedy }]
      : [],
  }));
}

/** The check of one that can't be looked at. */
export const unseenHost = (why: string): Check => ({
  ...{ area: "Host", about: "starts again by itself", findings: [], unknown: why },
});
