/** What checks say, a line each. */
import type { Check } from "../../../tools/doctor/types.ts";

export const said = (checks: readonly Check[]): string[] =>
  checks.flatMap(({ findings, unknown }) => [
    ...findings.map(({ severity, message }) => `${severity}: ${message}`),
    ...(unknown === undefined ? [] : [`unknown: ${unknown}`]),
  ]);
