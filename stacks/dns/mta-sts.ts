/** MTA-STS policies (RFC 8461). Pure. */
import { createHash } from "node:crypto";

export interface StsPolicy {
  readonly mode: "testing" | "enforce";
  /** Seconds. */
  readonly maxAge: number;
}

/** The policy file (RFC 8461 section 3.2), as it is served at `https://mta-sts.<domain>/.well-known/mta-sts.txt`. */
export function policyText({ mode, maxAge }: StsPolicy, mxHosts: readonly string[]): string {
  const lines = [
    "version: STSv1",
    `mode: ${mode}`,
    ...mxHosts.map((mx) => `mx: ${mx}`),
    `max_age: ${maxAge}`,
  ];
  return `${lines.join("\r\n")}\r\n`;
}

/** An id that another policy doesn't have: at most 32 letters and digits (RFC 8461 section 3.1). */
export function policyId(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 20);
}

/** The `mx` patterns of a policy file; undefined when it is none. */
export function policyHosts(text: string): string[] | undefined {
  const fields = text.split(/\r?\n/).map((line) => /^\s*([a-z_]+)\s*:\s*(.*?)\s*$/i.exec(line));
  if (!fields.some((field) => field?.[1] === "version" && field[2] === "STSv1")) return undefined;
  return fields.flatMap((field) => (field?.[1] === "mx" && field[2] ? [field[2].toLowerCase()] : []));
}

/** Whether the policy's patterns let a host be an MX: `*.` stands for one label (RFC 8461 section 4.1). */
export function covers(patterns: readonly string[], host: string): boolean {
  const parent = host.slice(host.indexOf(".") + 1);
  return patterns.some((pattern) =>
    pattern.startsWith("*.") ? pattern.slice(2) === parent : pattern === host,
  );
}
