/** Whether the properties of a resource make sense to this plugin. */
import { createHash } from "node:crypto";
import { isAutonamed } from "./diff.ts";
import type { Prop, Schema } from "./schema.ts";
import { isRecord, type Props, UNKNOWN } from "./values.ts";

/** What is wrong with one property. */
export interface Failure {
  readonly property: string;
  readonly reason: string;
}

/** All that is wrong with the properties, each named by its path. */
export function failures(schema: Schema, inputs: Props): Failure[] {
  return fieldFailures(schema.inputs, inputs, "");
}

function fieldFailures(fields: Readonly<Record<string, Prop>>, value: Props, prefix: string): Failure[] {
  const missing = Object.entries(fields)
    .filter(([name, prop]) => prop.required === true && value[name] === undefined)
    .map(([name]) => ({ property: prefix + name, reason: `"${prefix}${name}" is missing` }));
  const wrong = Object.entries(value)
    .filter(([name]) => !name.startsWith("__"))
    .flatMap(([name, inner]) => valueFailures(fields[name], inner, prefix + name));
  return [...missing, ...wrong];
}

function valueFailures(prop: Prop | undefined, value: unknown, path: string): Failure[] {
  if (prop === undefined || prop.unsupported === true) return isUnset(value) ? [] : [notServed(path)];
  if (value === UNKNOWN || value === undefined) return [];
  const wrongKind = kindFailure(prop, value, path);
  if (wrongKind !== undefined) return [wrongKind];
  const reason = prop.validate?.(value as never);
  return [
    ...(reason === undefined ? [] : [{ property: path, reason: `"${path}": ${reason}` }]),
    ...inside(prop, value, path),
  ];
}

function inside(prop: Prop, value: unknown, path: string): Failure[] {
  if (prop.kind === "object" && prop.fields && isRecord(value))
    return fieldFailures(prop.fields, value, `${path}.`);
  if (prop.kind === "map" && isRecord(value)) {
    return Object.entries(value).flatMap(([name, each]) => stringFailures(each, `${path}.${name}`));
  }
  if (prop.kind !== "list" || !Array.isArray(value)) return [];
  return value.flatMap((each, index) => {
    const at = `${path}[${index}]`;
    if (each === UNKNOWN) return [];
    if (prop.fields === undefined) return stringFailures(each, at);
    return isRecord(each) ? fieldFailures(prop.fields, each, `${at}.`) : [mustBe(at, "an object")];
  });
}

function stringFailures(value: unknown, path: string): Failure[] {
  return typeof value === "string" ? [] : [mustBe(path, "a string")];
}

const KINDS = {
  string: ["a string", (value: unknown) => typeof value === "string"],
  number: ["a number", (value: unknown) => typeof value === "number"],
  boolean: ["true or false", (value: unknown) => typeof value === "boolean"],
  list: ["a list", Array.isArray],
  map: ["an object", isRecord],
  object: ["an object", isRecord],
} as const;

function kindFailure(prop: Prop, value: unknown, path: string): Failure | undefined {
  const [wanted, holds] = KINDS[prop.kind];
  return holds(value) ? undefined : mustBe(path, wanted);
}

function mustBe(path: string, wanted: string): Failure {
  return { property: path, reason: `"${path}" must be ${wanted}` };
}

/** Programs may spell out that they don't want a feature; that needs no support. */
function isUnset(value: unknown): boolean {
  return (
    value === undefined || value === false || value === "" || (Array.isArray(value) && value.length === 0)
  );
}

function notServed(path: string): Failure {
  return {
    property: path,
    reason: `"${path}" is not supported by the air-gapped docker plugin: leave it out, or use the official docker plugin`,
  };
}

/** What the engine knows when it checks a resource. */
export interface Naming {
  readonly resourceName: string;
  readonly olds: Props;
  readonly randomSeed: Uint8Array;
}

/** The inputs with a made-up name where none is given: the resource's own and seven characters, as usual in Pulumi. */
export function named(inputs: Props, naming: Naming): Props {
  if (inputs.name !== undefined) return inputs;
  const { olds } = naming;
  const name = isAutonamed(olds) && typeof olds.name === "string" ? olds.name : madeUpName(naming);
  return { ...inputs, name, __defaults: ["name"] };
}

function madeUpName({ resourceName, randomSeed }: Naming): string {
  const suffix = createHash("sha256").update(resourceName).update(randomSeed).digest("hex").slice(0, 7);
  return `${resourceName}-${suffix}`;
}
