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

/** What is quoted in a finding is others' text: nothing that a terminal would obey, or that shows as something else. */
export const printable = (text: string): string =>
  text.replaceAll(/(?!\n)\p{C}/gu, (sign) => `\\u{${sign.codePointAt(0)?.toString(16)}}`);

/** One readable text for all findings. */
export function describeFindings(findings: readonly Finding[]): string {
  const lines = findings.flatMap(({ severity, rule, record, message, remedy }) => {
    // What is listed comes after the rule.
    const [head = "", ...list] = message.split("\n");
    const said = list.length === 0 ? `${head} (${rule})` : `${head.replace(/:$/, "")} (${rule}):`;
    return [`  ${severity === "error" ? "✗" : "!"} ${record}: ${said}`, ...list, `      ${remedy}`];
  });
  return printable(lines.join("\n"));
}
