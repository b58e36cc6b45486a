/** Reads what the database has; says in words which part can't be read. Pure. */
import type { z } from "zod";

/** `what` names the part. */
export function readable<T extends z.ZodType>(schema: T, value: unknown, what: string): z.output<T> {
  if (value === undefined) throw new Error(`${what}: it is missing`);
  const { data, error } = schema.safeParse(value);
  if (error === undefined) return data as z.output<T>;
  const faults = error.issues.map(({ path, message }) => [...path.map(String), message].join(": "));
  throw new Error(`${what}: ${faults.join("; ")}`);
}
