/** Validation of a dynamic resource's inputs, property by property. Knows nothing of Pulumi but its sentinel. */
import { z } from "zod";

/** Stands for a value that is not known yet during a preview. */
export const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** The key under which the serialised provider travels with the inputs. */
const PROVIDER_KEY = "__provider";

/** Says whether a value is, or holds, something not known yet. */
export function hasUnknown(value: unknown): boolean {
  if (value === UNKNOWN) return true;
  if (value === null || typeof value !== "object") return false;
  return Object.values(value).some(hasUnknown);
}

/** Answer of `checkInputs`. */
export interface Checked {
  inputs: Record<string, unknown>;
  failures: { property: string; reason: string }[];
}

/**
 * Checks `news` against a zod object shape and fills in defaults. A property that is not known yet passes as it is.
 */
export function checkInputs(shape: z.ZodRawShape, news: Record<string, unknown>): Checked {
  const checked: Checked = { inputs: {}, failures: [] };
  for (const [property, schema] of Object.entries(shape)) {
    const value = news[property];
    const result = hasUnknown(value) ? { success: true as const, data: value } : z.safeParse(schema, value);
    if (!result.success) {
      for (const issue of result.error.issues) {
        checked.failures.push({
          property: [property, ...issue.path].map(String).join("."),
          reason: issue.message,
        });
      }
    } else if (result.data !== undefined) checked.inputs[property] = result.data;
  }
  for (const property of Object.keys(news)) {
    if (property === PROVIDER_KEY || Object.hasOwn(shape, property)) continue;
    checked.failures.push({
      property,
      reason: `unknown input; known are: ${Object.keys(shape).join(", ")}`,
    });
  }
  return checked;
}

/** The names of the properties, of those given, whose values differ. */
export function changedKeys(
  keys: readonly string[],
  olds: Record<string, unknown>,
  news: Record<string, unknown>,
): string[] {
  return keys.filter((key) => JSON.stringify(olds[key]) !== JSON.stringify(news[key]));
}
