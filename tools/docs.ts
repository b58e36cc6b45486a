/** Writes `docs/configuration.md` from the schema of the stack config; with `--check`, says whether it is stale. */
import { readFile, writeFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { z } from "zod";
import { StackConfig } from "../stacks/schema.ts";

const FILE = "docs/configuration.md";

interface JsonSchema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: JsonSchema | boolean;
  readonly items?: JsonSchema;
}

/** The page, from the JSON schema of the config's input form. */
export function configurationPage(schema: JsonSchema): string {
  const rows = Object.entries(schema.properties ?? {}).flatMap(([key, property]) =>
    rowsOf(`semail:${key}`, property, schema.required?.includes(key) ?? false),
  );
  return `# Configuration

All keys of \`Pulumi.<stack>.yaml\`. Generated from \`stacks/schema.ts\` by \`npm run docs\`; don't edit it by hand.

Every key is checked before any resource is touched, and one error lists everything that is wrong. Secrets
(\`semail:gandiToken\`) are set with \`pulumi config set --secret\` and are never part of what is printed.

| Key | Type | Default | Meaning |
| --- | --- | --- | --- |
${rows.join("\n")}
| \`semail:gandiToken\` | secret | \`GANDI_PERSONAL_ACCESS_TOKEN\` of the environment | Personal access token for Gandi's LiveDNS, for \`dns.provider: gandi\`. |
`;
}

function rowsOf(path: string, schema: JsonSchema, required: boolean): string[] {
  const nested = Object.entries(schema.properties ?? {});
  const perKey = typeof schema.additionalProperties === "object" ? schema.additionalProperties : undefined;
  const own = row(path, schema, required);
  const children = nested.flatMap(([key, child]) =>
    rowsOf(`${path}.${key}`, child, schema.required?.includes(key) ?? false),
  );
  const entries = Object.entries(perKey?.properties ?? {}).flatMap(([key, child]) =>
    rowsOf(`${path}.<uid>.${key}`, child, perKey?.required?.includes(key) ?? false),
  );
  return [own, ...children, ...entries];
}

function row(path: string, schema: JsonSchema, required: boolean): string {
  const simple = schema.default !== undefined && typeof schema.default !== "object";
  const fallback = required ? "*required*" : simple ? `\`${String(schema.default)}\`` : "";
  return `| \`${path}\` | ${typeOf(schema)} | ${fallback} | ${(schema.description ?? "").replaceAll("|", "\\|")} |`;
}

function typeOf(schema: JsonSchema): string {
  if (schema.enum) return schema.enum.map((value) => `\`${String(value)}\``).join(", ");
  if (schema.const !== undefined) return `\`${String(schema.const)}\``;
  if (schema.type === "array") return `list of ${schema.items?.type ?? "values"}`;
  return schema.type ?? "";
}

async function main(check: boolean): Promise<number> {
  const page = configurationPage(
    z.toJSONSchema(StackConfig, { io: "input", unrepresentable: "any" }) as JsonSchema,
  );
  const current = await readFile(FILE, "utf8").catch(() => "");
  if (current === page) return 0;
  if (check) {
    process.stderr.write(`${FILE} is stale: run \`npm run docs\` and commit it\n`);
    return 1;
  }
  await writeFile(FILE, page);
  return 0;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  process.exitCode = await main(process.argv.includes("--check"));
}
