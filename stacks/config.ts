/** The only reader of `pulumi.Config`: raw values in, a checked StackConfig out, or one error with every bad path. */
import * as pulumi from "@pulumi/pulumi";
import { allConfig } from "@pulumi/pulumi/runtime/index.js";
import { crossCheck, type Problem } from "./cross-check.ts";
import { StackConfig } from "./schema.ts";

const NAMESPACE = "semail";
/** Kept as Outputs outside the parsed object, so that they are never printed with it. */
const SECRET_KEYS = ["gandiToken"] as const;

export interface LoadedConfig {
  readonly config: StackConfig;
  /** Personal access token for Gandi's LiveDNS API. */
  readonly gandiToken: pulumi.Output<string> | undefined;
}

/** Reads the stack's config. Throws a `pulumi.RunError` that lists every bad path with its remedy. */
export function loadConfig(): LoadedConfig {
  const all = allConfig();
  const result = parseConfig(rawConfig(all));
  const gandiToken = all[`${NAMESPACE}:gandiToken`]
    ? new pulumi.Config(NAMESPACE).requireSecret("gandiToken")
    : undefined;
  if (result.config?.dns.provider === "gandi" && !gandiToken && !process.env.GANDI_PERSONAL_ACCESS_TOKEN) {
    result.problems.push({
      path: "gandiToken",
      message: "is needed for dns.provider gandi: pulumi config set --secret semail:gandiToken <token>",
    });
  }
  if (!result.config || result.problems.length > 0) {
    throw new pulumi.RunError(describeProblems(`Pulumi.${pulumi.getStack()}.yaml`, result.problems));
  }
  return { config: result.config, gandiToken };
}

/** The `semail:*` keys as plain values. Pulumi hands objects over as JSON text. */
export function rawConfig(all: Readonly<Record<string, string>>): Record<string, unknown> {
  const raw: Record<string, unknown> = {};
  for (const [key, text] of Object.entries(all)) {
    if (!key.startsWith(`${NAMESPACE}:`)) continue;
    const name = key.slice(NAMESPACE.length + 1);
    // Pulumi.yaml has to give every key a default; an empty one stands for none.
    if (text !== "" && !SECRET_KEYS.some((secret) => secret === name)) raw[name] = parseValue(text);
  }
  return raw;
}

function parseValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Checks form and meaning together, so that one run shows everything that is wrong. */
export function parseConfig(raw: Record<string, unknown>): { config?: StackConfig; problems: Problem[] } {
  const parsed = StackConfig.safeParse(raw);
  const problems: Problem[] = (parsed.error?.issues ?? []).flatMap((issue) => {
    const path = issue.path.map(String);
    if (issue.code !== "unrecognized_keys") return [{ path: path.join("."), message: message(issue) }];
    return issue.keys.map((key) => ({ path: [...path, key].join("."), message: "is not a known key" }));
  });
  problems.push(...crossCheck(raw));
  return parsed.success ? { config: parsed.data, problems } : { problems };
}

function message(issue: { code: string; message: string; input?: unknown }): string {
  const missing = issue.code === "invalid_type" && issue.message.endsWith("received undefined");
  return missing ? "is missing" : issue.message.replace(/^Invalid input: /, "");
}

/** One readable text for all problems of one config file. */
export function describeProblems(file: string, problems: readonly Problem[]): string {
  const lines = problems.map(({ path, message }) => `  ${NAMESPACE}:${clip(path)}: ${clip(message)}`);
  const count = `${lines.length} ${lines.length === 1 ? "problem" : "problems"}`;
  return `${file} has ${count}; nothing was changed:\n${[...new Set(lines)].join("\n")}\nThe keys are explained in docs/configuration.md.`;
}

/** Values stand in paths and messages as the file has them; a message must stay one that can be read. */
function clip(text: string): string {
  const line = text.replaceAll(/\p{Cc}/gu, "?");
  return line.length <= 200 ? line : `${line.slice(0, 200)}…`;
}
