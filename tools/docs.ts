/**
 * Writes `docs/configuration.md` from the schema of the stack config, and the tables of `docs/operations.md` from the
 * daemons' catalogs; with `--check`, says what is stale.
 */
import { readFile, writeFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { z } from "zod";
import { LOG_EVENTS } from "../mailserver/log-events.ts";
import { COUNTERS, GAUGES, TIMES } from "../mailserver/metrics/catalog.ts";
import { StackConfig } from "../stacks/schema.ts";

/** Each page, made of what stands there now. */
const PAGES: Readonly<Record<string, (current: string) => string>> = {
  "docs/configuration.md": () =>
    configurationPage(z.toJSONSchema(StackConfig, { io: "input", unrepresentable: "any" }) as JsonSchema),
  "docs/operations.md": operationsPage,
};

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
  /** Objects that differ by a key with a constant. */
  readonly oneOf?: readonly JsonSchema[];
}

/** The page, from the JSON schema of the config's input form. */
export function configurationPage(schema: JsonSchema): string {
  const rows = Object.entries(schema.properties ?? {}).flatMap(([key, property]) =>
    rowsOf(`semail:${key}`, property, schema.required?.includes(key) ?? false),
  );
  return `# Configuration

All keys of \`Pulumi.<stack>.yaml\`. Generated from \`stacks/schema.ts\` by \`npm run docs\`; don't edit it by hand.

Every key is checked before any resource is touched, and one error lists everything that is wrong. Secrets
(\`semail:gandiToken\`) are set with \`npm run secret\` and are never part of what is printed.

| Key | Type | Default | Meaning |
| --- | --- | --- | --- |
${rows.join("\n")}
| \`semail:gandiToken\` | secret | \`GANDI_PERSONAL_ACCESS_TOKEN\` of the environment | Personal access token for Gandi's LiveDNS, for \`dns.provider: gandi\`. |
| \`semail:backupPassword\` | secret | made by the stack | Password of the repository of snapshots. |
| \`semail:backupSecretKey\` | secret | | Secret key to \`backup.keyId\`, for a repository in an S3-compatible store. |
| \`semail:eabKey\` | secret | | Key to \`certificates.eabKeyId\`, as the authority gave it (base64url). |
`;
}

function rowsOf(path: string, schema: JsonSchema, required: boolean): string[] {
  const nested = Object.entries(schema.properties ?? {});
  const perKey = typeof schema.additionalProperties === "object" ? schema.additionalProperties : undefined;
  const own = row(path, schema, required);
  if (schema.oneOf) return [own, ...kindRows(path, schema.oneOf)];
  const children = nested.flatMap(([key, child]) =>
    rowsOf(`${path}.${key}`, child, schema.required?.includes(key) ?? false),
  );
  const entries = Object.entries(perKey?.properties ?? {}).flatMap(([key, child]) =>
    rowsOf(`${path}.<uid>.${key}`, child, perKey?.required?.includes(key) ?? false),
  );
  return [own, ...children, ...entries];
}

/** The keys of all kinds of an object, each once; what not every kind has in the same way names its kinds. */
function kindRows(path: string, kinds: readonly JsonSchema[]): string[] {
  const nameOf = (kind: JsonSchema): string => String(kind.properties?.kind?.const);
  const keys = new Set(kinds.flatMap(({ properties }) => Object.keys(properties ?? {})));
  return [...keys].flatMap((key) => {
    const having = kinds.filter(({ properties }) => properties?.[key] !== undefined);
    const forms = Map.groupBy(having, (kind) => JSON.stringify(kind.properties?.[key]));
    return [...forms.values()].flatMap((same) => {
      const [first] = same;
      const only = same.length < kinds.length && key !== "kind" ? ` (${same.map(nameOf).join(", ")})` : "";
      const property = first?.properties?.[key] ?? {};
      const rows = rowsOf(`${path}.${key}`, property, first?.required?.includes(key) ?? false);
      // A kind within a kind names both.
      return rows.map((line) => line.replace(/^\| (`[^`]*`)/, `| $1${only}`).replace(") (", ": "));
    });
  });
}

function row(path: string, schema: JsonSchema, required: boolean): string {
  const simple = schema.default !== undefined && schema.default !== "" && typeof schema.default !== "object";
  const fallback = required ? "*required*" : simple ? `\`${String(schema.default)}\`` : "";
  return `| \`${path}\` | ${typeOf(schema)} | ${fallback} | ${(schema.description ?? "").replaceAll("|", "\\|")} |`;
}

function typeOf(schema: JsonSchema): string {
  if (schema.enum) return schema.enum.map((value) => `\`${String(value)}\``).join(", ");
  if (schema.const !== undefined) return `\`${String(schema.const)}\``;
  if (schema.type === "array") return `list of ${schema.items?.type ?? "values"}`;
  return schema.type ?? (schema.oneOf ? "object" : "");
}

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");

function eventsTable(): string {
  return table(
    ["Event", "Meaning"],
    Object.entries(LOG_EVENTS).map(([code, text]) => [`\`${code}\``, text]),
  );
}

function metricsTable(): string {
  type Catalog = Readonly<Record<string, { readonly help: string; readonly labels: readonly string[] }>>;
  const kinds: Readonly<Record<string, Catalog>> = { counter: COUNTERS, histogram: TIMES, gauge: GAUGES };
  const rows = Object.entries(kinds).flatMap(([kind, metrics]) =>
    Object.entries(metrics).map(([name, { help, labels }]) => [
      `\`${name}\``,
      kind,
      labels.map((label) => `\`${label}\``).join(", "),
      help,
    ]),
  );
  return table(["Metric", "Kind", "Labels", "Meaning"], rows);
}

const TABLES: Readonly<Record<string, () => string>> = { events: eventsTable, metrics: metricsTable };

/** The page with its tables made anew. */
export function operationsPage(current: string): string {
  return Object.entries(TABLES).reduce((page, [name, make]) => {
    const begin = `<!-- generated: ${name} -->\n`;
    const start = page.indexOf(begin);
    const end = page.indexOf("<!-- end -->", start);
    if (start < 0 || end < 0) throw new Error(`docs/operations.md lacks the place of the table "${name}"`);
    return `${page.slice(0, start)}${begin}\n${make()}\n\n${page.slice(end)}`;
  }, current);
}

async function main(check: boolean): Promise<number> {
  let stale = 0;
  for (const [file, make] of Object.entries(PAGES)) {
    const current = await readFile(file, "utf8").catch(() => "");
    const page = make(current);
    if (current === page) continue;
    if (check) {
      process.stderr.write(`${file} is stale: run \`npm run docs\` and commit it\n`);
      stale += 1;
    } else await writeFile(file, page);
  }
  return stale > 0 ? 1 : 0;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  process.exitCode = await main(process.argv.includes("--check"));
}
