/** The pure part of RecordSeen. */
import { z } from "zod";
import { changedKeys } from "../validate.ts";

/** The inputs' shape. */
export const shape = {
  zone: z.string().min(1),
  name: z.string().min(1),
  value: z.string().min(1),
  servers: z.array(z.string().min(1)).default([]),
  patienceSeconds: z.int("must be a whole number").min(0, "at least 0").max(86_400, "a day at most"),
};

/** Inputs after check. */
export const Inputs = z.object(shape);
export type Inputs = z.output<typeof Inputs>;

/** Another record is another thing to be seen; where and how long it was looked for is none. */
export function compare(olds: Record<string, unknown>, news: Record<string, unknown>) {
  const replaces = changedKeys(["zone", "name", "value"], olds, news);
  const rest = changedKeys(["servers", "patienceSeconds"], olds, news);
  return { changes: replaces.length + rest.length > 0, replaces };
}

/** What a name server said when it was asked for the record. */
export interface Answer {
  readonly server: string;
  /** The texts that it has, each in one piece; or why it gave none. */
  readonly found: readonly string[] | string;
}

/** Those that don't have it yet, and what they have instead. */
export function unseen(value: string, answers: readonly Answer[]): string[] {
  return answers
    .filter(({ found }) => !(Array.isArray(found) && found.includes(value)))
    .map(({ server, found }) => {
      if (typeof found === "string") return `${server}: ${found}`;
      return `${server} has ${found.length === 0 ? "nothing" : "another value"} there`;
    });
}
