import { describeProblems, parseConfig, rawFileConfig } from "../../stacks/check-config.ts";
import { Fault } from "./fault.ts";
import type { Stack } from "./stack.ts";

/**
 * Refuses a stack file as the program would, in no time: before an engine is looked for and Pulumi started. A file
 * with more than the usual secrets in it is left to the program, which can read them.
 */
export function checkStackConfig({ committed, project }: Pick<Stack, "committed" | "project">): void {
  const raw = rawFileConfig(committed.text, project);
  if (raw === undefined) return;
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
