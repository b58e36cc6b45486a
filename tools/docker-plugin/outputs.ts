/** What a resource's outputs are, as far as its inputs tell. */
import type { Schema } from "./schema.ts";
import { type Props, UNKNOWN } from "./values.ts";

/** The inputs with the defaults that the official plugin shows as outputs. */
export function inputsAsOutputs(schema: Schema, inputs: Props): Props {
  const defaults = Object.entries(schema.inputs)
    .filter(([, prop]) => prop.default !== undefined && prop.unsupported !== true)
    .map(([name, prop]): [string, unknown] => [name, prop.default]);
  const given = Object.entries(inputs).filter(([name]) => !name.startsWith("__"));
  return { ...Object.fromEntries(defaults), ...Object.fromEntries(given) };
}

/** What a preview shows of a resource to be made: the rest is not known yet. */
export function previewOfCreate(schema: Schema, inputs: Props): Props {
  const unknown = Object.fromEntries(schema.computed.map((name) => [name, UNKNOWN]));
  return { ...unknown, ...inputsAsOutputs(schema, inputs) };
}

/** What a preview shows of a resource to be changed in place: what only the engine knows mostly stays. */
export function previewOfUpdate(schema: Schema, old: Props, inputs: Props): Props {
  const computed = schema.computed.map((name): [string, unknown] => [
    name,
    schema.volatile?.includes(name) === true ? UNKNOWN : (old[name] ?? UNKNOWN),
  ]);
  return { ...Object.fromEntries(computed), ...inputsAsOutputs(schema, inputs) };
}
