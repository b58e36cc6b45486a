/** DNS as the sender checks ask it, from a table that a test writes. */
import type { DNSResolver } from "mailauth";

/**
 * Records by name: texts are TXT, lists are records of that type. `silent` never answers, another word in capitals is
 * the code of an error. A name that has records below it exists.
 */
export type Records = Readonly<Record<string, string | Readonly<Record<string, unknown>>>>;

export function zoneQuery(records: Records, asked: string[] = []): DNSResolver {
  return (name, type) => {
    asked.push(`${type} ${name}`);
    const there = records[name];
    const found = typeof there === "string" ? text(there, type) : there?.[type];
    if (found === "silent") return new Promise(() => {});
    if (typeof found === "string") return fail(name, found);
    if (found !== undefined) return Promise.resolve(found as string[]);
    const exists = there !== undefined || Object.keys(records).some((other) => other.endsWith(`.${name}`));
    return fail(name, exists ? "ENODATA" : "ENOTFOUND");
  };
}

function text(value: string, type: string): unknown {
  if (value === "silent" || /^E[A-Z]+$/.test(value)) return value;
  return type === "TXT" ? [[value]] : undefined;
}

function fail(name: string, code: string): Promise<never> {
  return Promise.reject(Object.assign(new Error(name), { code }));
}
