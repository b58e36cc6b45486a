/** From raw values to a checked StackConfig, or every problem at once. Without Pulumi: `npm run` looks here first. */
import { parse } from "yaml";
import type { z } from "zod";
import { crossCheck, type Problem } from "./cross-check.ts";
import { type HostPlan, neededPorts, planHost } from "./host-plan.ts";
import { Ports, StackConfig } from "./schema.ts";
import { Host } from "./schema-host.ts";

export const NAMESPACE = "semail";
/** Kept as Outputs outside the parsed object, so that they are never printed with it. */
export const SECRET_KEYS = ["gandiToken", "backupPassword", "backupSecretKey", "eabKey"] as const;

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

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A value that `npm run secret` wrote: only Pulumi can read it. */
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
 * The raw values of a stack file's text. Undefined when there are more than the usual secrets in it: only the program
 * can read those.
 */
export function rawFileConfig(text: string, project: string): Record<string, unknown> | undefined {
  const raw = fileValues(text, project);
  return Object.values(raw).includes(UNREADABLE) ? undefined : raw;
}

/** Where a stack file puts the system, as far as that can be read; a file that is wrong is for others to refuse. */
export function fileHost(text: string, project: string): FileHost | undefined {
  return readHost(fileValues(text, project));
}

/** As {@link fileHost}, of raw values. */
export function readHost(raw: Readonly<Record<string, unknown>>): FileHost | undefined {
  const host = Host.safeParse(raw.host ?? {});
  const ports = Ports.safeParse(raw.ports ?? {});
  if (!host.success || !ports.success) return undefined;
  const plan = planHost(host.data, ports.data);
  return { plan, ldapPort: ports.data.ldap, ports: neededPorts(ports.data, plan) };
}

/** A stack file's host. */
export interface FileHost {
  readonly plan: HostPlan;
  readonly ldapPort: number;
  readonly ports: ReturnType<typeof neededPorts>;
}

function fileValues(text: string, project: string): Record<string, unknown> {
  // Pulumi knows merge keys (`<<`).
  const document: unknown = parse(text, { merge: true });
  const config = isObject(document) && isObject(document.config) ? document.config : {};
  const all = Object.entries(config).map(([key, value]): [string, string] => [
    key.includes(":") ? key : `${project}:${key}`,
    asText(value),
  ]);
  return rawConfig(Object.fromEntries(all));
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

function message(issue: z.core.$ZodIssue): string {
  const missing = issue.code === "invalid_type" && issue.message.endsWith("received undefined");
  if (missing) return "is missing";
  if (issue.code === "invalid_value")
    return `must be ${issue.values.length > 1 ? "one of " : ""}${issue.values.join(", ")}`;
  const isNumber = "origin" in issue && (issue.origin === "number" || issue.origin === "int");
  if (isNumber && issue.code === "too_small") return `must be at least ${issue.minimum}`;
  if (isNumber && issue.code === "too_big") return `must be at most ${issue.maximum}`;
  // Objects that differ by their `kind`.
  if (issue.code === "invalid_union" && "options" in issue && issue.options)
    return `must be one of ${issue.options.filter((kind) => typeof kind === "string").join(", ")}`;
  return issue.message.replace(/^Invalid input: /, "");
}

/** One readable text for all problems of one config file. */
export function describeProblems(file: string, problems: readonly Problem[]): string {
  // Form and meaning may find the same fault.
  const all = problems.map(({ path, message }) => `  ${NAMESPACE}:${clip(path)}: ${clip(message)}`);
  const lines = [...new Set(all)];
  const count = `${lines.length} ${lines.length === 1 ? "problem" : "problems"}`;
  return `${file} has ${count}; nothing was changed:\n${lines.join("\n")}\nThe keys are explained in docs/configuration.md.`;
}

/** Values stand in paths and messages as the file has them; a message must stay one that can be read. */
function clip(text: string): string {
  const line = text.replaceAll(/\p{Cc}/gu, "?");
  return line.length <= 200 ? line : `${line.slice(0, 200)}…`;
}
