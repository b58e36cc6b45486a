/** What has to happen for the wanted properties to become true. Pure: nothing here asks the engine. */
import type { Change, Prop, Schema } from "./schema.ts";
import { isRecord, type Props, UNKNOWN } from "./values.ts";

/** One changed property. */
export interface PropertyChange {
  /** `image`, `healthcheck.interval`, `build.args["VERSION"]` */
  readonly path: string;
  readonly kind: "add" | "delete" | "update";
  readonly change: Change;
}

/** All that changed. */
export interface Difference {
  readonly changes: readonly PropertyChange[];
  /** The top-level properties that call for a new resource. */
  readonly replaces: readonly string[];
  /** The old resource must go first, because both would have the same name. */
  readonly deleteBeforeReplace: boolean;
}

/** Compares the last inputs with the wanted ones. */
export function difference(schema: Schema, olds: Props, news: Props): Difference {
  const changes = Object.entries(schema.inputs).flatMap(([name, prop]) =>
    compare({ prop, path: name, old: olds[name], wanted: news[name] }),
  );
  const replaces = [
    ...new Set(changes.filter((each) => each.change === "replace").map((each) => root(each.path))),
  ];
  const sameName = schema.named && !isAutonamed(news) && olds.name === news.name;
  return { changes, replaces, deleteBeforeReplace: replaces.length > 0 && sameName };
}

/** Whether the plugin made up the resource's name. */
export function isAutonamed(inputs: Props): boolean {
  return Array.isArray(inputs.__defaults) && inputs.__defaults.includes("name");
}

function root(path: string): string {
  return path.split(/[.[]/, 1)[0] ?? path;
}

interface Pair {
  readonly prop: Prop;
  readonly path: string;
  readonly old: unknown;
  readonly wanted: unknown;
}

function compare(pair: Pair): PropertyChange[] {
  const { prop, path } = pair;
  const old = canonical(prop, pair.old);
  const wanted = canonical(prop, pair.wanted);
  if (JSON.stringify(old) === JSON.stringify(wanted)) return [];
  if (prop.computed === true && wanted === undefined) return [];
  if (isRecord(old) && isRecord(wanted) && prop.kind !== "list")
    return compareInside(prop, path, { old, wanted });
  const kind = old === undefined ? "add" : wanted === undefined ? "delete" : "update";
  return [{ path, kind, change: prop.change }];
}

function compareInside(prop: Prop, path: string, values: { old: Props; wanted: Props }): PropertyChange[] {
  const names = [...new Set([...Object.keys(values.old), ...Object.keys(values.wanted)])].sort();
  return names.flatMap((name) =>
    compare({
      prop: { ...(prop.fields?.[name] ?? { kind: "string" }), change: prop.change },
      path: /^\w+$/.test(name) ? `${path}.${name}` : `${path}[${JSON.stringify(name)}]`,
      old: values.old[name],
      wanted: values.wanted[name],
    }),
  );
}

/** The value in the form in which equal things are equal: defaults filled in, sets sorted, empties gone. */
export function canonical(prop: Prop, value: unknown): unknown {
  if (value === undefined || value === null || value === "") return prop.default;
  if (value === UNKNOWN) return value;
  if (Array.isArray(value)) return canonicalList(prop, value);
  if (!isRecord(value)) return value;
  const fields = prop.fields;
  const entries = fields === undefined ? mapEntries(value) : fieldEntries(fields, value);
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

function canonicalList(prop: Prop, value: readonly unknown[]): unknown {
  if (value.length === 0) return undefined;
  const entry: Prop = {
    kind: "object",
    change: prop.change,
    ...(prop.fields ? { fields: prop.fields } : {}),
  };
  const entries = value.map((each) => canonical(entry, each));
  if (prop.set !== true) return entries;
  const byText = new Map(entries.map((each) => [JSON.stringify(each) ?? "", each]));
  return [...byText.keys()].sort().map((key) => byText.get(key));
}

function mapEntries(value: Props): [string, unknown][] {
  return Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
}

function fieldEntries(fields: Readonly<Record<string, Prop>>, value: Props): [string, unknown][] {
  const names = new Set([...Object.keys(fields), ...Object.keys(value)]);
  return [...names]
    .sort()
    .map((name): [string, unknown] => [
      name,
      canonical(fields[name] ?? { kind: "string", change: "replace" }, value[name]),
    ])
    .filter(([, each]) => each !== undefined);
}
