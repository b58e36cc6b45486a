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

/** Stands for what can't be read. */
const UNREADABLE = "[secret]";

/** As Pulumi hands a value to the program: objects as JSON, the rest as text. */
function asText(value: unknown): string {
  if (isSecret(value)) return UNREADABLE;
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/**
 * Refuses a stack file as the program would, in no time: before an engine is looked for and Pulumi started. A file
 * with more than the usual secrets in it is left to the program, which can read them.
 */
export function checkStackConfig({ committed, project }: Pick<Stack, "committed" | "project">): void {
  // Pulumi knows merge keys (`<<`).
  const document: unknown = parse(committed.text, { merge: true });
  const config = isObject(document) && isObject(document.config) ? document.config : {};
  const all = Object.entries(config).map(([key, value]): [string, string] => [
    key.includes(":") ? key : `${project}:${key}`,
    asText(value),
  ]);
  const raw = rawConfig(Object.fromEntries(all));
  if (Object.values(raw).includes(UNREADABLE)) return;
  const { problems } = parseConfig(raw);
  if (problems.length > 0) throw new Fault(...describe(committed.name, problems));
}

function describe(
  name: string,
  problems: Parameters<typeof describeProblems>[1],
): [cause: string, remedy: string] {
  const [first = "", ...rest] = describeProblems(name, problems).split("\n");
  return [first, rest.map((line) => line.trim()).join("\n")];
}
