/** What is wrong with DNS, before it is made so. */
export interface Finding {
  /** An error stops the preview; a warning is told. */
  readonly severity: "error" | "warning";
  /** Short name of the rule, with the section that says so. */
  readonly rule: string;
  /** The record: name and type. */
  readonly record: string;
  readonly message: string;
  readonly remedy: string;
}

/** One readable text for all findings. */
export function describeFindings(findings: readonly Finding[]): string {
  return findings
    .flatMap(({ severity, rule, record, message, remedy }) => [
      `  ${severity === "error" ? "✗" : "!"} ${record}: ${message} (${rule})`,
      `      ${remedy}`,
    ])
    .join("\n");
}
