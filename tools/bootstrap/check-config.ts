import { parse } from "yaml";
import { describeProblems, parseConfig, rawConfig } from "../../stacks/check-config.ts";
import { Fault } from "./fault.ts";
import type { Stack } from "./stack.ts";

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A value that `pulumi config set --secret` wrote: only Pulumi can read it. */
const isSecret = (value: unknown): boolean =>
  isObject(value)
    ? "secure" in value || Object.values(value).some(isSecret)
    : Array.isArray(value) && value.some(isSecret);

/** As Pulumi hands a value to the program: objects as JSON, the rest as text. */
const asText = (value: unknown): string =>
  typeof value === "object" ? JSON.stringify(value) : String(value);

/**
 * Refuses a stack file as the program would, in no time: before an engine is looked for and Pulumi started. Secrets
 * are left to the program, which can read them.
 */
export function checkStackConfig({ committed, project }: Pick<Stack, "committed" | "project">): void {
  const document: unknown = parse(committed.text);
  const config = isObject(document) && isObject(document.config) ? document.config : {};
  const all: Record<string, string> = {};
  for (const [key, value] of Object.entries(config)) {
    if (isSecret(value)) continue;
    all[key.includes(":") ? key : `${project}:${key}`] = asText(value);
  }
  const { problems } = parseConfig(rawConfig(all));
  if (problems.length > 0) throw new Fault(...describe(committed.name, problems));
}

function describe(
  name: string,
  problems: Parameters<typeof describeProblems>[1],
): [cause: string, remedy: string] {
  const [first = "", ...rest] = describeProblems(name, problems).split("\n");
  return [first, rest.map((line) => line.trim()).join("\n")];
}
