/** The package as Pulumi's tools want it described: names only, the official package has the rest. */
import { resources } from "./resources/index.ts";

/** The schema of the package. */
export function packageSchema(version: string): object {
  const anything = { $ref: "pulumi.json#/Any" };
  const properties = (names: readonly string[]): object =>
    Object.fromEntries(names.map((name) => [name, anything]));
  return {
    name: "docker",
    version,
    config: { variables: { host: { type: "string" } } },
    provider: { inputProperties: { host: { type: "string" } } },
    resources: Object.fromEntries(
      [...resources.values()].map(({ schema }) => [
        schema.token,
        {
          inputProperties: properties(Object.keys(schema.inputs)),
          properties: properties([...new Set([...Object.keys(schema.inputs), ...schema.computed])]),
        },
      ]),
    ),
  };
}
